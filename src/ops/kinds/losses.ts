/** The end of a network: its output, and losses with their gradients. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger, describe, fail } from '../../errors.js'
import * as losses from '../../loss/index.js'
import { emitLoss } from '../../plan/emit-loss.js'
import type { Buffer } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { asked, gives, makes, op, type Planning, type Setting, takes } from '../op.js'
import { flag, given, oneOf, outputs, rows, steps } from '../options.js'
import { type Extent, showShape, still } from '../shapes.js'
import {
  type ClassTensor,
  classes,
  floats,
  integers,
  numbers,
  type OpTensor,
  type Values,
  word,
} from '../tensor.js'

/** Logits, and the steps that they stand for. */
const logits = {
  /** Logits [B, T, C], or [B, C]. */
  input: rows,
  /** Time steps that logits [B, C] stand for, as they are the same at each. Default 1. */
  timeSteps: steps,
}

function stepsOf(op: string, input: Extent, timeSteps = input.T): number {
  if (input.timed && timeSteps !== input.T)
    fail(`${op}.timeSteps is of logits [B, C]; leave it out for ${showShape(input.shape)}`)
  return timeSteps
}

/**
 * The mean of logits over time, which is a spiking network's output, and the classes that it
 * predicts:
 *
 *     output[b, c] = 1/T · Σ over t of input[b, t, c]
 *     predictions[b] = the c with the greatest output, the first of equals
 *
 * An output that is not a number is passed over; but if that of class 0 is, class 0 is predicted.
 */
export const timeMean = op('timeMean', {
  options: logits,
  returns: ['output', 'predictions'],
  tensors: ({ input }) => ({
    /** Logits. */
    input: takes(floats(input)),
    /** [B, C] */
    output: gives(floats(still(input))),
    /** Class of the greatest output of each sample, the first of equals, [B]. */
    predictions: gives(integers([input.B])),
  }),
  emit({ b, op }, at, { input, timeSteps }, { input: { stored } }) {
    emitLoss(b, ends(op, at, input, timeSteps, stored))
  },
})

type Places = { readonly input: Buffer; readonly output: Buffer; readonly predictions: Buffer }

/** What the records of a network's end say. */
function ends(
  op: string,
  at: Places,
  input: Extent,
  timeSteps: number | undefined,
  stored: number,
) {
  const steps = stepsOf(op, input, timeSteps)
  const { input: logits, output, predictions } = at
  const { B: images, C: classes, T: rows } = input
  const sizes = { images, steps, totalSteps: steps, channels: stored, classes, rows }
  return { logits, output, predictions, ...sizes }
}

/** What these ops can return. */
const results = outputs('loss', 'gradient', 'predictions', 'correct', 'losses', 'output')
const usual = ['loss', 'gradient', 'predictions', 'correct'] as const

/** @param each each step's logits have a gradient of their own */
const lossTensors = <A extends Values>(input: Extent, each: boolean, target: Planning<A>) => ({
  /** Logits. */
  input: takes(floats(input)),
  /** The right class of each sample, from 0, [B]; or wanted outputs, [B, C]. */
  target,
  /** The time mean, [B, C]. */
  output: makes(floats(still(input))),
  /** Class of the greatest time mean of each sample, the first of equals, [B]. */
  predictions: makes(integers([input.B])),
  /** One for each sample, [B]; 0 behind the valid ones. */
  losses: makes(numbers([input.B])),
  /** Gradient of the loss: of the time mean, [B, C]; of a loss of each step, of the input. */
  gradient: asked(floats(each ? input : still(input))),
  /** Mean over the valid samples, [1]. */
  loss: asked(word<Float32Array>(Control.Loss, 'float32')),
  /** Valid samples whose prediction is their target, [1]; 0 where targets are numbers. */
  correct: asked(word<Int32Array>(Control.Correct, 'int32')),
})

type LossPlaces = Places & { readonly losses: Buffer; readonly gradient: Buffer | undefined }
type LossOptions = { readonly input: Extent; readonly timeSteps: number | undefined }

/** Emits the output and a loss of it; the gradient is divided by the samples, and by `over`. */
function emitEnds(
  { b, op, made }: OpBuilder,
  at: LossPlaces,
  { input, timeSteps }: LossOptions,
  of: losses.Loss,
  over: 'images' | 'imagesAndSteps',
  { instantaneous = false, mseWeight = 0 } = {},
): Partial<Planned> {
  const end = ends(op, at, input, timeSteps, made.input.stored)
  const gradientScale = 1 / input.B / (over === 'images' ? 1 : end.steps)
  const { losses, gradient: delta } = at
  const numbers = { instantaneous, mseWeight, allSteps: true }
  emitLoss(b, { ...end, loss: { losses, delta, gradientScale, ...numbers, of } })
  return ofTarget(made.target)
}

/** Programs find targets by a pointer. */
export const ofTarget = (
  target: OpTensor & Partial<Pick<ClassTensor, 'checkOwn'>>,
): Partial<Planned> => ({
  start: (block) => block.address(Control.Target, target),
  before: target.checkOwn,
})

/** Numbers of one run. */
export interface LossSettings {
  /** Samples that count; those behind them are padding. Default: all. */
  readonly valid?: number
}

export const validSetting = (batch: number): Setting<LossSettings> => ({
  names: ['valid'],
  write(block, { valid = batch }, where) {
    checkInteger(`${where}: valid`, valid, 1, batch)
    block.word(Control.Valid, valid)
  },
})

/** What a gradient is divided by. */
export const over = oneOf(['images', 'imagesAndSteps'])

/** Numbers of one run. */
export interface CrossEntropySettings extends LossSettings {
  /** With `instantaneous`: the steps that have a gradient. Default: all. */
  readonly gradientSteps?: readonly number[]
}

/** Steps whose bits a mask holds. */
const MOST_MASKED = 32

/** Which steps of an instantaneous loss have a gradient, as bits. */
function maskOf(op: string, steps: number, gradientSteps: readonly number[] | undefined): number {
  if (
    gradientSteps !== undefined &&
    (!Array.isArray(gradientSteps) ||
      !gradientSteps.every((t) => Number.isInteger(t) && t >= 0 && t < steps))
  )
    fail(
      `${op}.run: gradientSteps must be a list of steps from 0 to ${steps - 1}, got ` +
        describe(gradientSteps),
    )
  return gradientSteps?.reduce((bits, t) => bits | (1 << t), 0) ?? 0xffffffff
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
 */
export const crossEntropy = op('crossEntropy', {
  options: {
    ...logits,
    /** Share m of the mean squared error in the loss, 0…1. Default 0. */
    mseWeight: given<number>(),
    /** Share of the target that is spread over all classes, 0…1, 1 excluded. Default 0. */
    labelSmoothing: given<number>(),
    /** 'rates', the default: of the time mean. 'counts': of the sum over time. */
    of: given<'rates' | 'counts'>(),
    /**
     * The loss is that of each step's own logits, as online methods have it, and not that of their
     * time mean. At most 32 steps. Default false.
     */
    instantaneous: flag(),
    /**
     * What the gradient is divided by: the samples ('images', the default, as through time), or
     * samples and steps ('imagesAndSteps', as in the rate and online methods).
     */
    over,
    /** Names of what to compute and return. Default: loss, gradient, predictions, correct. */
    outputs: results,
  },
  returns: usual,
  tensors: ({ input, instantaneous }) =>
    lossTensors(input, instantaneous, takes(classes(input.B, input.C))),
  sets: ({ input, timeSteps, instantaneous }, { op }): Setting<CrossEntropySettings> => ({
    names: ['valid', 'gradientSteps'],
    write(block, { valid, gradientSteps }, where) {
      validSetting(input.B).write(block, { valid }, where)
      if (!instantaneous && gradientSteps !== undefined)
        fail(`${op}.run: gradientSteps are of instantaneous losses; leave them out`)
      const mask = maskOf(op, stepsOf(op, input, timeSteps), gradientSteps)
      if (instantaneous) block.word(Control.StepMask, mask)
    },
  }),
  emit(o, at, { mseWeight = 0, labelSmoothing, of, instantaneous, over, ...logits }) {
    const { op } = o
    const loss = losses.crossEntropy({ labelSmoothing, of })
    const steps = stepsOf(op, logits.input, logits.timeSteps)
    if (!(Number.isFinite(mseWeight) && mseWeight >= 0 && mseWeight <= 1))
      fail(`${op}.mseWeight must lie in 0…1, got ${describe(mseWeight)}`)
    if (instantaneous && loss.of !== 'rates')
      fail(`${op}: a loss of counts is not instantaneous; leave one of them out`)
    if (instantaneous && !(steps <= MOST_MASKED))
      fail(`${op}: an instantaneous loss has at most ${MOST_MASKED} time steps, got ${steps}`)
    return emitEnds(o, at, logits, loss, over, { instantaneous, mseWeight })
  },
})

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
 */
export const mse = op('mse', {
  options: {
    ...logits,
    /** 'labels', the default: classes. 'values': a number for each output, for regression. */
    targets: given<'labels' | 'values'>(),
    /** 'rates', the default: of the time mean. 'counts': of the sum over time. */
    of: given<'rates' | 'counts'>(),
    /** Wanted rate of the right class. Default 1. */
    correctRate: given<number>(),
    /** Wanted rate of the other classes. Default 0. */
    incorrectRate: given<number>(),
    /**
     * What the gradient is divided by: the samples ('images', the default, as through time), or
     * samples and steps ('imagesAndSteps', as in the rate method).
     */
    over,
    /** Names of what to compute and return. Default: loss, gradient, predictions, correct. */
    outputs: results,
  },
  returns: usual,
  tensors: ({ input, targets }) =>
    lossTensors(
      input,
      false,
      takes<Float32Array | Int32Array>(
        targets === 'values' ? numbers([input.B, input.C]) : classes(input.B, input.C),
      ),
    ),
  sets: ({ input }) => validSetting(input.B),
  emit(o, at, { targets, of, correctRate, incorrectRate, over, ...logits }) {
    const loss = losses.mse({ targets, of, correctRate, incorrectRate })
    return emitEnds(o, at, logits, loss, over)
  },
})

/**
 * The loss of temporal efficient training (Deng et al., ICLR 2022), and its gradient:
 *
 *     ℓ[b] = mean over t of (1 − lambda) · cross entropy(input[b, t], target[b])
 *            + lambda · mean over c of (input[b, t, c] − mean)²
 *     loss = mean of ℓ over the valid samples
 *
 * Each step's logits have a gradient. Of logits without T it is the sum over the steps.
 */
export const tet = op('tet', {
  options: {
    ...logits,
    /** Weight of the squared distance from `mean`, 0…1. Default 0.05. */
    lambda: given<number>(),
    /** Where all outputs are drawn to. Default 1, the threshold. */
    mean: given<number>(),
    /** Names of what to compute and return. Default: loss, gradient, predictions, correct. */
    outputs: results,
  },
  returns: usual,
  tensors: ({ input }) => lossTensors(input, true, takes(classes(input.B, input.C))),
  sets: ({ input }) => validSetting(input.B),
  emit(o, at, { lambda, mean, ...logits }) {
    const loss = losses.tet({ lambda, mean })
    return emitEnds(o, at, logits, loss, 'imagesAndSteps', { instantaneous: true })
  },
})
