/** What a sweep knows of its runs: for tables, pages, files and who asks. */

import type { GivenOptions } from './options.js'
import type { RunResult } from './run-child.js'

/**
 * 'halved': successive halving has ended it; 'stopped': it was ended from outside and can go on.
 */
export type RowState = 'waiting' | 'running' | 'finished' | 'halved' | 'failed' | 'stopped'

export interface SweepRow {
  readonly id: string
  readonly options: GivenOptions
  /** Of these, those that differ between runs. */
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
  /** Of the process that drives the sweep; null when it has ended. */
  readonly pid: number | null
  readonly varied: readonly string[]
  readonly rows: readonly SweepRow[]
}

/** Whether nothing more comes of a run, as things are. */
export const isOver = ({ state }: Pick<SweepRow, 'state'>): boolean =>
  state === 'finished' || state === 'halved' || state === 'failed' || state === 'stopped'

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
