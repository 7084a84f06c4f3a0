/** Signals that ask the program to end: Ctrl-C, and those of others. */

import { constants } from 'node:os'

export interface Interrupt {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal
  /** 128 and the number of the signal that came; 0 before. */
  readonly exitCode: number
  /** Gives signals their usual meaning back. */
  release(): void
}

/** From the terminal, from another program, from a terminal that closes. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type Ending = (typeof endings)[number]

/** What people call them. */
const names: Readonly<Record<Ending, string>> = {
  SIGINT: 'Ctrl-C',
  SIGTERM: 'SIGTERM',
  SIGHUP: 'SIGHUP',
}

const codeOf = (signal: Ending): number => 128 + constants.signals[signal]

/**
 * The same signal once more within this time counts as the first one: the terminal sends it to us,
 * and `npm start` passes it on once more.
 */
const SAME_SIGNAL_MS = 500

/** The first signal asks to stop and calls `onRequest`; the second ends the process at once. */
export function listenForInterrupt(onRequest: (name: string) => void): Interrupt {
  const controller = new AbortController()
  let first: { readonly by: Ending; readonly at: number } | undefined
  const onSignal = (signal: Ending): void => {
    if (!first) {
      first = { by: signal, at: performance.now() }
      controller.abort()
      onRequest(names[signal])
    } else if (signal !== first.by || performance.now() - first.at > SAME_SIGNAL_MS)
      process.exit(codeOf(signal))
  }
  for (const signal of endings) process.on(signal, onSignal)
  return {
    signal: controller.signal,
    get exitCode() {
      return first ? codeOf(first.by) : 0
    },
    release() {
      for (const signal of endings) process.off(signal, onSignal)
    },
  }
}

/**
 * From now on these signals exit instead of ending the process where it stands: listeners of `exit`
 * run.
 */
export function exitOnSignals(signals: readonly Ending[] = endings): void {
  for (const signal of signals) process.once(signal, () => process.exit(codeOf(signal)))
}
