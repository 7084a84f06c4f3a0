/** Signals that ask the program to end: Ctrl-C, and those of others. */

import { constants } from 'node:os'

export interface Interrupt {
  /** Aborted by the first Ctrl-C. */
  readonly signal: AbortSignal
  /** Gives Ctrl-C its usual meaning back. */
  release(): void
}

/**
 * A second Ctrl-C within this time counts as the first one: the terminal sends the signal to us,
 * and `npm start` passes it on once more.
 */
const SAME_SIGNAL_MS = 500

/** The first Ctrl-C asks to stop and calls `onRequest`; the second ends the process at once. */
export function listenForInterrupt(onRequest: () => void): Interrupt {
  const controller = new AbortController()
  let requestedAt = 0
  const onSignal = (): void => {
    if (!controller.signal.aborted) {
      requestedAt = performance.now()
      controller.abort()
      onRequest()
    } else if (performance.now() - requestedAt > SAME_SIGNAL_MS) process.exit(130)
  }
  process.on('SIGINT', onSignal)
  return {
    signal: controller.signal,
    release: () => void process.off('SIGINT', onSignal),
  }
}

/** From the terminal, from another program, from a terminal that closes. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type Ending = (typeof endings)[number]

/**
 * From now on these signals exit instead of ending the process where it stands: listeners of `exit`
 * run.
 */
export function exitOnSignals(signals: readonly Ending[] = endings): void {
  for (const signal of signals)
    process.once(signal, () => process.exit(128 + constants.signals[signal]))
}
