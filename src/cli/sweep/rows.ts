/** What a sweep knows of its runs: for tables, pages, files and who asks. */

import { describe, fail } from '../../errors.js'
import * as v from '../../runtime/vendor/valibot/index.js'
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
