/** Accuracy of an exported network. */

import type { Dataset } from '../data/dataset.js'
import type { Net } from './net.js'

/** Options of `evaluateNet`. */
export interface EvaluateNetOptions {
  /** Only the first samples, an integer ≥ 1. Default: all. */
  limit?: number
  /** Ends the evaluation; it then rejects with the signal's reason. */
  signal?: AbortSignal
  /** Called now and then with the share that is done, 0 … 1. */
  onProgress?: (done: number) => void
}

/** What `evaluateNet` returns. */
export interface NetEvaluation {
  /** Share of right answers, 0 … 1. */
  readonly accuracy: number
  readonly correct: number
  /** Number of samples. */
  readonly count: number
}

export async function evaluateNet(
  _net: Net,
  _data: Dataset,
  _options: EvaluateNetOptions = {},
): Promise<NetEvaluation> {
  throw new Error('not yet')
}
