/** What a host is given and what it gives back. */

import { spawn } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, isAbsolute, join } from 'node:path'
import type { Dataset } from '../../data/datasets/dataset.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { type Call, callsOf, type NetInfo, sampleBytesOf, shownAs } from '../abi.js'
import { checkData, type NetEvaluation, sampleReader } from '../accuracy.js'
import type { ApartNet } from './apart.js'

/** The shape of a job; hosts in other languages get these numbers as arguments, in this order. */
export interface JobNumbers {
  readonly call: Call
  readonly inputType: 'f32' | 'u8'
  /** Samples in the file of samples. */
  readonly samples: number
  /** Bytes of one sample there. */
  readonly sampleBytes: number
  /** Bytes that one call takes; a sample holds one or several times as many. */
  readonly frameBytes: number
  /** Calls for one sample: 1 of `infer`, T of `step`. */
  readonly steps: number
  readonly classes: number
  /** A slow host stops after so many seconds; it has then run fewer samples. */
  readonly seconds: number
}

/** A job on disk, in a folder of its own in which a host may write. */
export interface Job extends JobNumbers {
  readonly folder: string
  /** Path of the exported network. */
  readonly net: string
  /** Path of the samples as they go into the input, one after the other. */
  readonly input: string
  /** Path of the outputs that are expected, float32 [samples][classes]. */
  readonly expected: string
}

const natural = v.pipe(v.number(), v.integer(), v.minValue(0))
export const outcome = v.object({
  /** Samples that ran. */
  samples: v.pipe(natural, v.minValue(1)),
  /** Floats of their outputs that are not bit by bit the expected ones. */
  differ: natural,
  /** The first of them; the bits of both as unsigned numbers. */
  first: v.nullable(v.object({ sample: natural, output: natural, got: natural, want: natural })),
  /** Median over rounds of the time for one sample, in microseconds, input written. */
  us: v.number(),
  /** Compile, instantiate and first answer, in milliseconds. */
  coldMs: v.number(),
  /** What the process holds after the first answer, in bytes; null where unknown. */
  residentBytes: v.nullable(natural),
  /** Bytes of the module's memory, as the host sees it. */
  memoryBytes: natural,
})

/** What a host has measured. */
export type Outcome = Readonly<v.InferOutput<typeof outcome>>

// Accuracy of an exported network that can be stopped.

/** Bytes of samples that are sent at once, at least one sample. */
const CHUNK_BYTES = 1 << 18

/**
 * The same as `evaluateNet`, of all samples.
 *
 * @param onProgress called with the share that is done, 0 … 1
 * @throws SpikewasmError when shape or classes do not match the file's, a number is not finite, or
 *   the file takes too long
 */
export async function evaluateApart(
  net: ApartNet,
  data: Dataset,
  onProgress: (done: number) => void = () => {},
): Promise<NetEvaluation> {
  const { info } = net
  checkData({ info }, data, 'or steps')
  const shown = shownAs(info, data)
  const sampleBytes = sampleBytesOf(shown)
  const take = sampleReader(shown, data)
  const [call] = callsOf(info)
  const count = data.length
  const chunk = Math.max(1, Math.floor(CHUNK_BYTES / sampleBytes))
  let correct = 0
  for (let first = 0; first < count; first += chunk) {
    onProgress(first / count)
    const samples = Math.min(chunk, count - first)
    const { bytes, labels } = take(first, samples)
    const { predicted } = await net.ask(call, bytes, {
      sampleBytes,
      onSamples: (done) => onProgress((first + done) / count),
    })
    correct += predicted.reduce((n, k, i) => n + Number(k === labels[i]), 0)
  }
  onProgress(1)
  return { accuracy: correct / count, correct, count }
}

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
export const refusesSimd = ({ target }: NetInfo): string | undefined =>
  target === 'simd' ? 'it has no SIMD; export with --target scalar' : undefined

/** Seconds that a host may take besides its samples: to start, to compile. */
const START_SECONDS = 20

/** Seconds until a host is killed: it starts, shows samples, and takes times a quarter as long. */
export const patience = ({ seconds }: Pick<Job, 'seconds'>): number =>
  1.25 * seconds + START_SECONDS

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
