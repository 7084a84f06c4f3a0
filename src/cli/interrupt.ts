/** How the program ends: signals that ask for it, and what it leaves behind. */

import { readFileSync } from 'node:fs'
import { constants } from 'node:os'

/** What the system tells; tests say others. */
const ownStart = {
  /** The shell's name for the command that it has started. */
  command: process.env._,
  parent: process.ppid,
  /** What a file of /proc holds; undefined where there is none. */
  read(path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8')
    } catch {
      return undefined
    }
  },
}

const WRITE_ONLY = 1
const ACCESS = 3

/**
 * Node lets SIGHUP end the process again before it runs any of our code, so the process itself does
 * not tell that SIGHUP was ignored. What is left are traces of who has asked for that: the
 * shell's name for the command; the input that `nohup` gives in place of a terminal, which can only
 * be written; and a parent that ignores SIGHUP, as a script under `nohup` does.
 */
export function outlivesTerminal({ command, parent, read } = ownStart): boolean {
  if (command !== undefined && /(^|\/)nohup$/.test(command)) return true
  const flags = /^flags:\s*([0-7]+)/m.exec(read('/proc/self/fdinfo/0') ?? '')?.[1]
  if (flags !== undefined && (Number.parseInt(flags, 8) & ACCESS) === WRITE_ONLY) return true
  const ignored = /^SigIgn:\s*([0-9a-f]+)/m.exec(read(`/proc/${parent}/status`) ?? '')?.[1]
  // SIGHUP is signal 1, the lowest bit.
  return ignored !== undefined && (Number.parseInt(ignored.slice(-1), 16) & 1) === 1
}

/** From the terminal, from another program, from a terminal that closes. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
type Ending = (typeof endings)[number]

/** What people call it. */
const nameOf = (signal: Ending): string => (signal === 'SIGINT' ? 'Ctrl-C' : signal)

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
export function listenForInterrupt(onRequest: (name: string) => void) {
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
      onRequest(nameOf(signal))
    } else if (signal !== first) process.exit(codeOf(signal))
  }
  for (const signal of heard) process.on(signal, onSignal)
  return {
    /** Aborted by the first signal, and by `end`. */
    signal: controller.signal,
    end: () => controller.abort(),
    /** 128 and the number of the signal that came; 0 before. */
    get exitCode() {
      return first ? codeOf(first) : 0
    },
    /** Gives signals their usual meaning back. */
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

let isOurs = false

/** Says that this process does nothing but run a command. */
export function ownProcess(): void {
  isOurs = true
}

/** What still goes on in so many milliseconds must not keep the process. */
export function endSoon(ms = 3000): void {
  if (isOurs) setTimeout(() => process.exit(), ms).unref()
}
