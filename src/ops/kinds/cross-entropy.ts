/** The loss of a network's output. */

import { Control } from '../../../assembly/opcodes.js'
import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../../errors.js'
import { crossEntropy as lossOptions } from '../../loss/index.js'
import { crossEntropyKind } from '../../plan/losses/plans.js'
import type { ControlBlock, OpBuilder, Planned, Settings } from '../builder.js'
import { type Selecting, selecting } from '../selecting.js'
import type { RowsInput } from '../types.js'
import {
  checkOver,
  type LossResults,
  type LossSettings,
  lossResults,
  planLoss,
  standardResults,
} from './losses.js'
import { logitsOf, type TimeMeanOptions } from './time-mean.js'

/** Options of `ops.crossEntropy`. */
export interface CrossEntropyOptions extends TimeMeanOptions {
  /** Share m of the mean squared error in the loss, 0…1. Default 0. */
  readonly mseWeight?: number
  /** Share of the target that is spread over all classes, 0…1, 1 excluded. Default 0. */
  readonly labelSmoothing?: number
  /** 'rates', the default: of the time mean. 'counts': of the sum over time. */
  readonly of?: 'rates' | 'counts'
  /**
   * The loss is that of each step's own logits, as online methods have it, and not that of their
   * time mean. At most 32 steps. Default false.
   */
  readonly instantaneous?: boolean
  /**
   * What the gradient is divided by: the samples ('images', the default, as through time), or
   * samples and steps ('imagesAndSteps', as in the rate and online methods).
   */
  readonly over?: 'images' | 'imagesAndSteps'
}

/** What `ops.crossEntropy` can compute. */
export type CrossEntropyResults = LossResults
type Name = keyof CrossEntropyResults

/** Numbers of one run. */
export interface CrossEntropySettings extends LossSettings {
  /** With `instantaneous`: the steps that have a gradient. Default: all. */
  readonly gradientSteps?: readonly number[]
}

/** Steps whose bits a mask holds. */
const MOST_MASKED = 32

function control(op: string, batch: number, steps: number, instantaneous: boolean) {
  return (block: ControlBlock, settings: Settings): void => {
    checkOptions(`${op}.run`, settings, ['valid', 'gradientSteps'])
    const { valid = batch, gradientSteps } = settings as CrossEntropySettings
    checkInteger(`${op}.run: valid`, valid, 1, batch)
    block.word(Control.Valid, valid)
    if (!instantaneous) {
      expect(
        gradientSteps === undefined,
        () => `${op}.run: gradientSteps are of instantaneous losses; leave them out`,
      )
      return
    }
    expect(
      gradientSteps === undefined ||
        (Array.isArray(gradientSteps) &&
          gradientSteps.every((t) => Number.isInteger(t) && t >= 0 && t < steps)),
      () =>
        `${op}.run: gradientSteps must be a list of steps from 0 to ${steps - 1}, got ` +
        describe(gradientSteps),
    )
    const mask = gradientSteps?.reduce((bits, t) => bits | (1 << t), 0) ?? 0xffffffff
    block.word(Control.StepMask, mask)
  }
}

function build(o: OpBuilder, options: CrossEntropyOptions, outputs: ReadonlySet<Name>): Planned {
  const { op } = o
  const { extent, steps } = logitsOf(op, options)
  const { B } = extent
  const { mseWeight = 0, over = 'images' } = options
  const { labelSmoothing, of: what } = lossOptions({
    labelSmoothing: options.labelSmoothing,
    of: options.of,
  })
  const counts = what === 'counts' && steps > 1
  const instantaneous = checkBoolean(`${op}.instantaneous`, options.instantaneous, false)
  expect(
    Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1,
    () => `${op}.mseWeight must lie in 0…1, got ${describe(mseWeight)}`,
  )
  checkOver(`${op}.over`, over)
  expect(
    !instantaneous || what === 'rates',
    () => `${op}: a loss of counts is not instantaneous; leave one of them out`,
  )
  expect(
    !instantaneous || steps <= MOST_MASKED,
    () => `${op}: an instantaneous loss has at most ${MOST_MASKED} time steps, got ${steps}`,
  )
  const of = crossEntropyKind({
    mseWeight,
    labelSmoothing: labelSmoothing || undefined,
    outputScale: counts ? steps : undefined,
  })
  return planLoss(
    o,
    { extent, steps, of, instantaneous, over, control: control(op, B, steps, instantaneous) },
    outputs,
  )
}

/**
 * Cross entropy of a network's output, and its gradient:
 *
 *     y[b] = mean over t of input[b, t]
 *     ℓ[b] = (1 − m) · (log Σ over c of exp y[b, c] − y[b, target[b]])
 *            + m · mean over c of (y[b, c] − onehot[b, c])²
 *     loss = mean of ℓ over the valid samples
 *     gradient[b] = ((1 − m) · (softmax y[b] − onehot[b]) + 2m/C · (y[b] − onehot[b])) / valid
 *
 * by `over` divided by T as well. Through time each step's logits have the T-th part of the
 * gradient for 'images'. With `instantaneous` y are the logits of each step, ℓ is the mean over the
 * steps, and each step has a gradient (Xiao et al., NeurIPS 2022; Meng et al., ICCV 2023).
 *
 * `labelSmoothing` ε spreads a share of the target over all classes, as in PyTorch: the cross
 * entropy is that of (1 − ε)·onehot + ε/C. With `of: 'counts'` y is the sum over time.
 *
 * Where a logit is not a number, the loss and the sample's gradient are NaN, and the prediction is
 * the greatest of the others, but class 0 where that of class 0 is not a number.
 *
 * Arguments of `run`: input, target (Int32Array [B], classes from 0); settings: `valid` samples,
 * the first ones; with `instantaneous` `gradientSteps`. Settings hold until others are given.
 * Result: what `outputs` names, by default loss, gradient, predictions and correct.
 */
export const crossEntropy = selecting<
  CrossEntropyOptions,
  CrossEntropyResults,
  Selecting<
    RowsInput,
    [input: Float32Array, target: Int32Array],
    CrossEntropyResults,
    {
      /** Logits, [B][T][C]. */
      readonly input: Float32Array
      /** The right class of each sample, from 0, [B]. */
      readonly target: Int32Array
    },
    readonly ['loss', 'gradient', 'predictions', 'correct'],
    CrossEntropySettings
  >
>(
  'crossEntropy',
  ['input', 'timeSteps', 'mseWeight', 'labelSmoothing', 'of', 'instantaneous', 'over'],
  lossResults,
  standardResults,
  build,
)
