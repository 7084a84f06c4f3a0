/** Whether the program was started so that it outlives its terminal, as by `nohup`. */

import { readFileSync } from 'node:fs'

/** Lets tests say what the system tells. */
export interface Start {
  /** The shell's name for the command that it has started. */
  readonly command: string | undefined
  readonly parent: number
  /** What a file of /proc holds; undefined where there is none. */
  read(path: string): string | undefined
}

const ownStart: Start = {
  command: process.env._,
  parent: process.ppid,
  read(path) {
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
export function outlivesTerminal({ command, parent, read }: Start = ownStart): boolean {
  if (command !== undefined && /(^|\/)nohup$/.test(command)) return true
  const flags = /^flags:\s*([0-7]+)/m.exec(read('/proc/self/fdinfo/0') ?? '')?.[1]
  if (flags !== undefined && (Number.parseInt(flags, 8) & ACCESS) === WRITE_ONLY) return true
  const ignored = /^SigIgn:\s*([0-9a-f]+)/m.exec(read(`/proc/${parent}/status`) ?? '')?.[1]
  // SIGHUP is signal 1, the lowest bit.
  return ignored !== undefined && (Number.parseInt(ignored.slice(-1), 16) & 1) === 1
}
