/** What a sweep knows of its runs, and the folder that keeps it. */

import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, fail, quote } from '../../errors.js'
import { kindOfPath, writeFileAtomic } from '../../io/files.js'
import { FolderLock, whereHeld } from '../../io/folder/lock.js'
import { parseJsonBytes } from '../../io/json.js'
import * as v from '../../runtime/vendor/valibot/index.js'
import { withFiles } from '../mistakes.js'
import { openOutFolder } from '../run-folder.js'
import type { GivenOptions } from './options.js'

const figure = v.nullable(v.pipe(v.number(), v.finite()))

const resultSchema = v.strictObject({
  /** Complete ones. */
  epochs: v.pipe(v.number(), v.integer(), v.minValue(0)),
  testAccuracy: figure,
  testLoss: figure,
  trainLoss: figure,
  /** SHA-256 of its weights.safetensors, hexadecimal. */
  weightsSha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** Why a callback ended it, such as early stopping. */
  stopped: v.nullable(v.pipe(v.string(), v.maxLength(300))),
  /** What the process took that ended it; less than all where it was continued. */
  seconds: v.pipe(v.number(), v.finite(), v.minValue(0)),
})

/** What a run gave. All of it but the time is a function of its options and data. */
export type RunResult = v.InferOutput<typeof resultSchema>

/** @throws SpikewasmError for what is no result; it came from a file or from Redis */
export function checkResult(value: unknown, name: string): RunResult {
  const { success, output } = v.safeParse(resultSchema, value)
  if (success) return output
  fail(`${name} must be the result of a run, got ${describe(value)}`)
}

/**
 * 'halved': successive halving has ended it; 'stopped': it was ended from outside and can go on.
 */
export type RowState = 'waiting' | 'running' | 'finished' | 'halved' | 'failed' | 'stopped'

export interface SweepRow {
  readonly id: string
  readonly options: GivenOptions
  /** Those of them that differ between runs. */
  readonly chosen: Readonly<Record<string, unknown>>
  readonly state: RowState
  /** Complete ones, and all of a run that comes to its end. */
  readonly epoch: number
  readonly epochs: number
  /** Share of the run that is done, 0…1. */
  readonly share: number
  /** Where the run stands: at its end, or so far. */
  readonly testAccuracy: number | null
  readonly result?: RunResult
  readonly error?: string
  /** Names that its jobs may have. */
  readonly tasks: readonly string[]
}

export interface SweepStatus {
  readonly format: 1
  readonly title: string
  /** The process that drives the sweep; null when it has ended. */
  readonly pid: number | null
  readonly varied: readonly string[]
  readonly rows: readonly SweepRow[]
}

/** Whether nothing more comes of a run, as things are. */
export const isOver = ({ state }: Pick<SweepRow, 'state'>): boolean =>
  state !== 'waiting' && state !== 'running'

/** The best first; those without a figure behind, in the order of the sweep. */
export function bestFirst(rows: readonly SweepRow[]): SweepRow[] {
  const figure = (row: SweepRow): number => row.testAccuracy ?? Number.NEGATIVE_INFINITY
  // A run that was halved has been compared with fewer epochs.
  const depth = ({ state }: SweepRow): number => (state === 'finished' ? 1 : 0)
  return [...rows].sort((a, b) => {
    if (depth(a) !== depth(b)) return depth(b) - depth(a)
    if (figure(a) !== figure(b)) return figure(b) - figure(a)
    return a.id < b.id ? -1 : 1
  })
}

export function countStates(rows: readonly SweepRow[]): Record<RowState, number> {
  const counts = { waiting: 0, running: 0, finished: 0, halved: 0, failed: 0, stopped: 0 }
  for (const { state } of rows) counts[state]++
  return counts
}

/** What `--json` says of a run that has ended. */
export function lineOf({ id, options, result, state, error }: SweepRow): object {
  if (!result) return { id, options, state, error }
  const { testAccuracy, weightsSha256, epochs, testLoss, trainLoss, stopped } = result
  return { id, options, testAccuracy, weightsSha256, epochs, testLoss, trainLoss, state, stopped }
}

const files = { spec: 'sweep.json', status: 'status.json', stop: 'stop', page: 'sweep.html' }

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 1)}\n`

/** Names results, so that a rung of a run is not its end. */
export const taskName = (id: string, until: number | undefined): string =>
  until === undefined ? id : `${id}-${until}`

export type SweepFolder = Awaited<ReturnType<typeof openSweep>>

/** @throws SpikewasmError when it cannot be written, or another process drives this sweep */
export async function openSweep(path: string) {
  await openOutFolder(path, '--out')
  const lock = await withFiles(() => FolderLock.take(path))
  for (const name of ['runs', 'results']) await mkdir(join(path, name), { recursive: true })
  await rm(join(path, files.stop), { force: true })
  const write = (name: string, content: Uint8Array | string): Promise<void> =>
    writeFileAtomic(join(path, name), Buffer.from(content))
  return {
    path,
    page: join(path, files.page),
    runFolder: (id: string): string => join(path, 'runs', id),
    /** Results of this and of earlier sweeps in the folder, by their names. */
    async results(): Promise<Map<string, RunResult>> {
      const found = new Map<string, RunResult>()
      for (const file of await readdir(join(path, 'results'))) {
        const name = /^([0-9a-f]{24}(?:-\d+)?)\.json$/.exec(file)?.[1]
        if (name === undefined) continue
        const from = join(path, 'results', file)
        const value = parseJsonBytes(await readFile(from), from, 'the result', { length: 100_000 })
        found.set(name, checkResult(value, from))
      }
      return found
    },
    keepResult: (name: string, result: RunResult) => write(`results/${name}.json`, json(result)),
    writeSpec: (bytes: Uint8Array) => write(files.spec, bytes),
    writeStatus: (status: SweepStatus) => write(files.status, json(status)),
    writePage: (html: string) => write(files.page, html),
    /** Whether somebody has asked this sweep to stop. */
    wasAskedToStop: () => kindOfPath(join(path, files.stop)).then((kind) => kind !== undefined),
    close: () => lock.release(),
  }
}

/** Asks the process that drives a sweep to stop. */
export const askToStop = (path: string): Promise<void> =>
  writeFileAtomic(join(path, files.stop), new Uint8Array(0))

/** More than the status of the largest sweep. */
const MOST_BYTES = 24_000_000

/** @throws SpikewasmError for a folder without a sweep */
export async function readStatus(path: string): Promise<SweepStatus> {
  const file = join(path, files.status)
  const bytes = await readFile(file).catch(() => undefined)
  if (!bytes)
    fail(
      `the folder must be one that sweep --out has written, got ${quote(path)}, which has no ` +
        files.status,
    )
  const status = parseJsonBytes(bytes, file, 'the status', { length: MOST_BYTES }) as SweepStatus
  if (status?.format !== 1 || !Array.isArray(status.rows) || !Array.isArray(status.varied))
    fail(`${file}: must be the status of a sweep, got something else; run the sweep again`)
  return status
}

/**
 * Where the process that drives a sweep is; undefined where there is none. Another process may have
 * the number of one that was killed: the folder's lock tells them apart.
 */
export const whereRunning = async (
  path: string,
  { pid }: SweepStatus,
): Promise<'here' | 'elsewhere' | undefined> => (pid === null ? undefined : whereHeld(path))
