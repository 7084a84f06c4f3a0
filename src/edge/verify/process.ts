/** Other programs: where they are, and how they are run. */

import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import * as v from '../../engine/vendor/valibot/index.js'
import type { NetInfo } from '../abi.js'
import { type Job, type Outcome, outcome } from './job.js'

// What a host is: a program that runs exported networks.

/** A kind of host; the list of all is in hosts/index.ts. */
export interface Host {
  readonly name: string
  /** How to get it, for people; it follows the words "not found: name; ". */
  readonly install: string
  /** Why it cannot run a file; undefined when it can. Absent: it runs all. */
  readonly refuses?: (info: NetInfo) => string | undefined
  /** Looks for it on this machine. */
  readonly find: () => Promise<FoundHost | undefined>
}

export interface FoundHost {
  /** As the host says, for example `24.1.0`. */
  readonly version: string
  /**
   * Runs a job; the folder of the job is for its files.
   * @throws HostFailure when the host ends with an error, or takes far too long
   */
  readonly run: (job: Job) => Promise<Outcome>
}

/** A host did not do its job. The message is for people. */
export class HostFailure extends Error {
  override name = 'HostFailure'

  /** @param complaints all that its program wrote to standard error */
  constructor(
    message: string,
    readonly complaints = '',
  ) {
    super(message)
  }
}

/** For hosts without SIMD. */
export function refusesSimd({ target }: NetInfo): string | undefined {
  return target === 'simd' ? 'it has no SIMD; export with --target scalar' : undefined
}

/** Seconds that a host may take besides its samples: to start, to compile. */
const START_SECONDS = 20

/** Seconds until a host is killed: it starts, shows samples, and takes times a quarter as long. */
export function patience({ seconds }: Pick<Job, 'seconds'>): number {
  return 1.25 * seconds + START_SECONDS
}

/** Bytes of output that are kept. */
const OUTPUT_LIMIT = 1 << 20

/** The first of some programs that is on the path, or an absolute path that exists. */
export async function findProgram(...names: readonly string[]): Promise<string | undefined> {
  const endings = process.platform === 'win32' ? ['.exe', ''] : ['']
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '')
  for (const name of names) {
    const paths = isAbsolute(name) ? [name] : folders.map((folder) => join(folder, name))
    for (const path of paths)
      for (const ending of endings)
        if (await can(`${path}${ending}`, constants.X_OK)) return `${path}${ending}`
  }
  return undefined
}

const can = (path: string, mode: number): Promise<boolean> =>
  access(path, mode).then(
    () => true,
    () => false,
  )

/** The first of some paths that exists. */
export async function firstPath(...paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) if (await can(path, constants.F_OK)) return path
  return undefined
}

export interface RunOptions {
  readonly cwd?: string
  /** Until it is killed, with all that it started. Default 60. */
  readonly seconds?: number
  /** Ends it earlier; that is no failure. */
  readonly until?: Promise<unknown>
}

/**
 * Runs a program and returns its standard output.
 * @throws HostFailure when it cannot be started, ends with an error, or takes too long
 */
export function runProgram(
  command: string,
  args: readonly string[],
  { cwd, seconds = 60, until }: RunOptions = {},
): Promise<string> {
  return new Promise((resolve, reject) => {
    const group = process.platform !== 'win32'
    // A group of its own, so that the children of a browser end with it.
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'], detached: group })
    let [stdout, stderr] = ['', '']
    let late = false
    let stopped = false
    const keep = (text: string, more: string): string => (text + more).slice(-OUTPUT_LIMIT)
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout = keep(stdout, text)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = keep(stderr, text)
    })
    const kill = (): void => {
      if (child.pid === undefined) return
      try {
        if (group) process.kill(-child.pid, 'SIGKILL')
        else child.kill('SIGKILL')
      } catch {
        // It has just ended.
      }
    }
    const timer = setTimeout(() => {
      late = true
      kill()
    }, 1000 * seconds)
    // Before others that are told of the exit: they remove its files.
    process.prependOnceListener('exit', kill)
    const stop = (): void => {
      stopped = true
      kill()
    }
    until?.then(stop, stop)
    const settle = (): void => {
      clearTimeout(timer)
      process.off('exit', kill)
    }
    child.on('error', (error) => {
      settle()
      reject(new HostFailure(error.message))
    })
    child.on('close', (code, signal) => {
      settle()
      if (code === 0 || stopped) resolve(stdout)
      else if (late) reject(new HostFailure(`did not end within ${seconds} s; it was stopped`))
      else reject(new HostFailure(complaint(stderr) || `ended with ${signal ?? code}`, stderr))
    })
  })
}

/** What a program complained about, in one line: from its first error on, else the last lines. */
function complaint(stderr: string): string {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
  const error = lines.findIndex((line) => /error\b/i.test(line))
  const text = (error < 0 ? lines.slice(-3) : lines.slice(error, error + 2)).join(' | ')
  return text.length > 300 ? `${text.slice(0, 300)}…` : text
}

/** The first number with points in what a program prints about itself; `unknown` without. */
export async function versionOf(command: string): Promise<string> {
  const text = await runProgram(command, ['--version'], { seconds: 20 }).catch(() => '')
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown'
}

/** Reads what a host has printed or sent. @throws HostFailure when it is something else */
export function readOutcome(text: string): Outcome {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new HostFailure(`answered ${JSON.stringify(text.slice(-200))}`)
  }
  const { success, output } = v.safeParse(outcome, value)
  if (!success) throw new HostFailure(`answered ${text.slice(0, 200)}`)
  return output
}

/** Runs a program that prints an outcome. */
export const runHost = async (
  job: Job,
  command: string,
  args: readonly string[],
): Promise<Outcome> =>
  readOutcome(await runProgram(command, args, { cwd: job.folder, seconds: patience(job) }))
