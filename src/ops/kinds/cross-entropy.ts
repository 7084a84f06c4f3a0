/** The loss of a network's output. */

import { Control } from '../../../assembly/opcodes.js'
import { checkBoolean, checkInteger, checkOptions, describe, expect } from '../../errors.js'
import { emitLoss } from '../../plan/loss.js'
import type { ControlBlock, OpBuilder, Planned, Settings } from '../builder.js'
import { type Selecting, selecting } from '../selecting.js'
import { still } from '../shapes.js'
import { classTensor, controlTensor } from '../special.js'
import { floatTensor, type OpTensor, plainTensor } from '../tensor.js'
import type { RowsInput } from '../types.js'
import { logitsOf, type TimeMeanOptions } from './time-mean.js'

/** Options of `ops.crossEntropy`. */
export interface CrossEntropyOptions extends TimeMeanOptions {
  /** Share m of the mean squared error in the loss, 0…1. Default 0. */
  readonly mseWeight?: number
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
export type CrossEntropyResults = {
  /** Mean over the valid samples, [1]. */
  readonly loss: Float32Array
  /** Gradient of the loss: of the time mean, [B, C]; with `instantaneous` of the input. */
  readonly gradient: Float32Array
  /** Class of the greatest time mean of each sample, the first of equals, [B]. */
  readonly predictions: Int32Array
  /** Valid samples whose prediction is their target, [1]. */
  readonly correct: Int32Array
  /** Of each sample, [B]; 0 behind the valid ones. */
  readonly losses: Float32Array
  /** The time mean, [B, C]. */
  readonly output: Float32Array
}
type Name = keyof CrossEntropyResults

/** Numbers of one run. */
export interface CrossEntropySettings {
  /** Samples that count; those behind them are padding. Default: all. */
  readonly valid?: number
  /** With `instantaneous`: the steps that have a gradient. Default: all. */
  readonly gradientSteps?: readonly number[]
}

const names = ['loss', 'gradient', 'predictions', 'correct', 'losses', 'output'] as const

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

function build(
  { b, op }: OpBuilder,
  options: CrossEntropyOptions,
  outputs: ReadonlySet<Name>,
): Planned {
  const { extent, steps } = logitsOf(op, options)
  const { B, C, T } = extent
  const { mseWeight = 0, over = 'images' } = options
  const instantaneous = checkBoolean(`${op}.instantaneous`, options.instantaneous, false)
  expect(
    Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1,
    () => `${op}.mseWeight must lie in 0…1, got ${describe(mseWeight)}`,
  )
  expect(
    over === 'images' || over === 'imagesAndSteps',
    () => `${op}.over must be 'images' or 'imagesAndSteps', got ${describe(over)}`,
  )
  expect(
    !instantaneous || steps <= MOST_MASKED,
    () => `${op}: an instantaneous loss has at most ${MOST_MASKED} time steps, got ${steps}`,
  )
  const logits = floatTensor(b, { name: 'input' }, extent)
  const target = classTensor(b, op, { name: 'target' }, B, C)
  const output = floatTensor(b, { name: 'output' }, still(extent))
  const predictions = plainTensor(b, { name: 'predictions' }, [B], 'int32')
  const losses = plainTensor(b, { name: 'losses' }, [B])
  const gradient = outputs.has('gradient')
    ? floatTensor(b, { name: 'gradient' }, instantaneous ? extent : still(extent))
    : undefined
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
    loss: {
      losses: losses.buffer,
      delta: gradient?.buffer,
      gradientScale: 1 / B / (over === 'images' ? 1 : steps),
      instantaneous,
      of: { kind: 'crossEntropy', mseWeight },
    },
  })
  const made: Readonly<Record<Name, OpTensor | undefined>> = {
    loss: controlTensor({ name: 'loss' }, Control.Loss, 'float32'),
    gradient,
    predictions,
    correct: controlTensor({ name: 'correct' }, Control.Correct, 'int32'),
    losses,
    output,
  }
  return {
    inputs: [logits, target],
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    start: (block) => block.address(Control.Target, target),
    before: target.checkOwn,
    control: control(op, B, steps, instantaneous),
  }
}

/**
 * Cross entropy of a network's output, and its gradient:
 *
 *     y[b] = mean over t of input[t, b]
 *     ℓ[b] = (1 − m) · (log Σ over c of exp y[b, c] − y[b, target[b]])
 *            + m · mean over c of (y[b, c] − onehot[b, c])²
 *     loss = mean of ℓ over the valid samples
 *     gradient[b] = ((1 − m) · (softmax y[b] − onehot[b]) + 2m/C · (y[b] − onehot[b])) / valid
 *
 * by `over` divided by T as well. Through time each step's logits have the T-th part of the
 * gradient for 'images'. With `instantaneous` y are the logits of each step, ℓ is the mean over the
 * steps, and each step has a gradient (Xiao et al., NeurIPS 2022; Meng et al., ICCV 2023).
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
  ['input', 'timeSteps', 'mseWeight', 'instantaneous', 'over'],
  names,
  ['loss', 'gradient', 'predictions', 'correct'],
  build,
)
