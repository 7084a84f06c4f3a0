/** Signals that ask the program to end: Ctrl-C, and those of others. */

import { constants } from 'node:os'
import { outlivesTerminal } from './hangup.js'

export interface Interrupt {
  /** Aborted by the first signal, and by `end`. */
  readonly signal: AbortSignal
  end(): void
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
const SAME_SIGNAL_MS = 300

/** Known before somebody else ends: the parent may be gone later. */
const hangupIsIgnored = outlivesTerminal()

/** Under `nohup` SIGHUP ends nothing, whatever the command. */
export function ignoreHangup(): void {
  if (hangupIsIgnored) process.on('SIGHUP', () => {})
}

const isHeard = (signal: Ending): boolean => signal !== 'SIGHUP' || !hangupIsIgnored

/**
 * The first signal asks to stop and calls `onRequest`; the second ends the process at once. Signals
 * are heard between steps, and a step may block this thread for seconds. So the second one is left
 * to the system, which ends the process wherever it stands.
 */
export function listenForInterrupt(onRequest: (name: string) => void): Interrupt {
  const controller = new AbortController()
  const heard = endings.filter(isHeard)
  let first: Ending | undefined
  const release = (): void => {
    for (const signal of heard) process.off(signal, onSignal)
  }
  const onSignal = (signal: Ending): void => {
    if (first === undefined) {
      first = signal
      setTimeout(release, SAME_SIGNAL_MS).unref()
      controller.abort()
      onRequest(names[signal])
    } else if (signal !== first) process.exit(codeOf(signal))
  }
  for (const signal of heard) process.on(signal, onSignal)
  return {
    signal: controller.signal,
    end: () => controller.abort(),
    get exitCode() {
      return first ? codeOf(first) : 0
    },
    release,
  }
}

/**
 * From now on these signals exit instead of ending the process where it stands: listeners of `exit`
 * run.
 */
export function exitOnSignals(signals: readonly Ending[] = endings): void {
  for (const signal of signals.filter(isHeard))
    process.once(signal, () => process.exit(codeOf(signal)))
}
