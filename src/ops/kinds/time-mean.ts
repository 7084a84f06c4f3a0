/** The output of a network: its mean over time. */

import { checkInteger, expect } from '../../errors.js'
import { emitLoss } from '../../plan/emit-loss.js'
import { operation } from '../operation.js'
import { type Extent, extentOf, MOST_STEPS, showShape, still } from '../shapes.js'
import { floatTensor, plainTensor } from '../tensor.js'
import type { Fixed, RowsInput } from '../types.js'

/** Options of `ops.timeMean`. */
export interface TimeMeanOptions {
  /** Logits [B, T, C], or [B, C]. */
  readonly input: readonly number[]
  /** Time steps that logits [B, C] stand for, as they are the same at each. Default 1. */
  readonly timeSteps?: number
}

/** Results of `ops.timeMean`. */
export type TimeMeanResults = {
  /** [B, C] */
  readonly output: Float32Array
  /** Class of the greatest output of each sample, the first of equals, [B]. */
  readonly predictions: Int32Array
}

/** Logits and the steps that they stand for. */
export function logitsOf(op: string, { input, timeSteps }: TimeMeanOptions) {
  const extent: Extent = extentOf(`${op}.input`, input, 'maybe', 'never')
  const steps = timeSteps ?? extent.T
  checkInteger(`${op}.timeSteps`, steps, 1, MOST_STEPS)
  expect(
    !extent.timed || steps === extent.T,
    () => `${op}.timeSteps is of logits [B, C]; leave it out for ${showShape(extent.shape)}`,
  )
  return { extent, steps }
}

/**
 * The mean of logits over time, which is a spiking network's output, and the classes that it
 * predicts:
 *
 *     output[b, c] = 1/T · Σ over t of input[b, t, c]
 *     predictions[b] = the c with the greatest output, the first of equals
 *
 * An output that is not a number is passed over; but if that of class 0 is, class 0 is predicted.
 *
 * Argument of `run`: input. Results: output, predictions.
 */
export const timeMean = operation<
  TimeMeanOptions,
  Fixed<
    RowsInput,
    [input: Float32Array],
    TimeMeanResults,
    {
      /** Logits, [B][T][C]. */
      readonly input: Float32Array
    } & TimeMeanResults
  >
>('timeMean', ['input', 'timeSteps'], ({ b, op }, options) => {
  const { extent, steps } = logitsOf(op, options)
  const { B, C, T } = extent
  const logits = floatTensor(b, { name: 'input' }, extent)
  const output = floatTensor(b, { name: 'output' }, still(extent))
  const predictions = plainTensor(b, { name: 'predictions' }, [B], 'int32')
  emitLoss(b, {
    logits: logits.buffer,
    output: output.buffer,
    predictions: predictions.buffer,
    images: B,
    steps,
    totalSteps: steps,
    channels: logits.stored,
    classes: C,
    rows: T,
  })
  return { inputs: [logits], outputs: [output, predictions] }
})
