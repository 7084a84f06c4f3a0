/** The mean squared error of a network's output. */

import { mse as lossOptions, type MeanSquaredErrorOptions } from '../../loss/index.js'
import { mseKind } from '../../plan/losses/plans.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type Selecting, selecting } from '../selecting.js'
import type { RowsInput } from '../types.js'
import {
  checkOver,
  type LossResults,
  type LossSettings,
  lossResults,
  type Over,
  planLoss,
  standardResults,
  validControl,
} from './losses.js'
import { logitsOf, type TimeMeanOptions } from './time-mean.js'

/** Options of `ops.mse`: those of `mse()`, and what logits there are. */
export interface MseOptions extends TimeMeanOptions, Readonly<MeanSquaredErrorOptions> {
  /**
   * What the gradient is divided by: the samples ('images', the default, as through time), or
   * samples and steps ('imagesAndSteps', as in the rate method).
   */
  readonly over?: Over
}

function build(
  o: OpBuilder,
  options: MseOptions,
  outputs: ReadonlySet<keyof LossResults>,
): Planned {
  const { op } = o
  const { extent, steps } = logitsOf(op, options)
  const { over = 'images', targets, of: what, correctRate, incorrectRate } = options
  checkOver(`${op}.over`, over)
  const loss = lossOptions({ targets, of: what, correctRate, incorrectRate })
  const factor = loss.of === 'counts' ? steps : 1
  const outputScale = factor > 1 ? factor : undefined
  const of = mseKind(
    loss.targets === 'values'
      ? { outputScale, values: true }
      : { outputScale, low: loss.incorrectRate * factor, high: loss.correctRate * factor },
  )
  const control = validControl(op, extent.B)
  return planLoss(o, { extent, steps, of, instantaneous: false, over, control }, outputs)
}

/**
 * Mean squared error of a network's output, and its gradient:
 *
 *     y[b] = mean over t of input[b, t], with of: 'counts' the sum
 *     ℓ[b] = mean over c of (y[b, c] − w[b, c])²
 *     w[b, c] = correctRate for c = target[b], else incorrectRate (times T for counts);
 *               target[b, c] with targets: 'values'
 *     loss = mean of ℓ over the valid samples
 *
 * The gradient is of the time mean, [B, C], by `over` divided by T as well.
 *
 * Arguments of `run`: input, target (Int32Array [B], classes from 0, or Float32Array [B, C]);
 * settings: `valid` samples, the first ones. Result: what `outputs` names, by default loss,
 * gradient, predictions and correct.
 */
export const mse = selecting<
  MseOptions,
  LossResults,
  Selecting<
    RowsInput,
    [input: Float32Array, target: Int32Array | Float32Array],
    LossResults,
    {
      /** Logits, [B][T][C]. */
      readonly input: Float32Array
      /** The right class of each sample, from 0, [B]; or wanted outputs, [B][C]. */
      readonly target: Int32Array | Float32Array
    },
    readonly ['loss', 'gradient', 'predictions', 'correct'],
    LossSettings
  >
>(
  'mse',
  ['input', 'timeSteps', 'targets', 'of', 'correctRate', 'incorrectRate', 'over'],
  lossResults,
  standardResults,
  build,
)
