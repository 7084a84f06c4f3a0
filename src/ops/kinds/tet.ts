/** The loss of temporal efficient training. */

import { tet as lossOptions, type TetOptions as TetLossOptions } from '../../loss/index.js'
import { tetKind } from '../../plan/losses/plans.js'
import type { OpBuilder, Planned } from '../builder.js'
import { type Selecting, selecting } from '../selecting.js'
import type { RowsInput } from '../types.js'
import {
  type LossResults,
  type LossSettings,
  lossResults,
  planLoss,
  standardResults,
  validControl,
} from './losses.js'
import { logitsOf, type TimeMeanOptions } from './time-mean.js'

/** Options of `ops.tet`: those of `tet()`, and what logits there are. */
export interface TetOptions extends TimeMeanOptions, Readonly<TetLossOptions> {}

function build(
  o: OpBuilder,
  options: TetOptions,
  outputs: ReadonlySet<keyof LossResults>,
): Planned {
  const { op } = o
  const { extent, steps } = logitsOf(op, options)
  const { lambda, mean } = lossOptions({ lambda: options.lambda, mean: options.mean })
  const of = tetKind({ lambda, mean, allSteps: true })
  const control = validControl(op, extent.B)
  const over = 'imagesAndSteps'
  return planLoss(o, { extent, steps, of, instantaneous: true, over, control }, outputs)
}

/**
 * The loss of temporal efficient training (Deng et al., ICLR 2022), and its gradient:
 *
 *     ℓ[b] = mean over t of (1 − lambda) · cross entropy(input[b, t], target[b])
 *            + lambda · mean over c of (input[b, t, c] − mean)²
 *     loss = mean of ℓ over the valid samples
 *
 * Each step's logits have a gradient. Of logits without T it is the sum over the steps.
 *
 * Arguments of `run`: input, target (Int32Array [B], classes from 0); settings: `valid` samples,
 * the first ones. Result: what `outputs` names, by default loss, gradient, predictions and correct.
 */
export const tet = selecting<
  TetOptions,
  LossResults,
  Selecting<
    RowsInput,
    [input: Float32Array, target: Int32Array],
    LossResults,
    {
      /** Logits, [B][T][C]. */
      readonly input: Float32Array
      /** The right class of each sample, from 0, [B]. */
      readonly target: Int32Array
    },
    readonly ['loss', 'gradient', 'predictions', 'correct'],
    LossSettings
  >
>('tet', ['input', 'timeSteps', 'lambda', 'mean'], lossResults, standardResults, build)
