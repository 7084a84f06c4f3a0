/** The end of a network: its output, losses with their gradients, and penalties on firing rates. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger, describe, fail } from '../../base/errors.js'
import { range } from '../../base/rules.js'
import { emitLoss, emitRatePenalty, penaltyUnits } from '../../compile/emit/loss.js'
import {
  selfDistillation as distillation,
  output as outputRecord,
} from '../../kernels/records/loss.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import * as losses from '../../nn/loss/kinds.js'
import type { OpBuilder, Planned } from '../builder.js'
import { asked, gives, makes, op, type Planning, setting, takes } from '../op.js'
import * as is from '../options.js'
import * as shapes from '../shapes.js'
import * as tensors from '../tensor.js'
import { floats, integers, numbers } from '../tensor.js'

/** Logits, and the steps that they stand for. */
const logits = {
  /** Logits [B, T, C], or [B, C]. */
  input: is.rows,
  /** Time steps that logits [B, C] stand for, as they are the same at each. Default 1. */
  timeSteps: is.steps,
}
type Logits = is.Checked<typeof logits>

function stepsOf(op: string, { input, timeSteps = input.T }: Logits): number {
  if (input.timed && timeSteps !== input.T)
    fail(`${op}.timeSteps is of logits [B, C]; leave it out for ${shapes.showShape(input.shape)}`)
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
    output: gives(floats(shapes.still(input))),
    /** Class of the greatest output of each sample, the first of equals, [B]. */
    predictions: gives(integers([input.B])),
  }),
  emit: (o, at, of) => emitLoss(o.b, ends(o, at, of)),
})

type Places = Readonly<Record<'input' | 'output' | 'predictions', Buffer>>

/** What the records of a network's end say. */
function ends({ op, made }: OpBuilder, { input: logits, output, predictions }: Places, of: Logits) {
  const steps = stepsOf(op, of)
  const { B: images, C: classes, T: rows } = of.input
  const sizes = { images, steps, totalSteps: steps, channels: made.input.stored, classes, rows }
  return { logits, output, predictions, ...sizes }
}

/** What these ops can return. */
const results = {
  /** Names of what to compute and return. Default: loss, gradient, predictions, correct. */
  outputs: is.outputs('loss', 'gradient', 'predictions', 'correct', 'losses', 'output'),
}
const usual = ['loss', 'gradient', 'predictions', 'correct'] as const

const divided = {
  /**
   * What the gradient is divided by: the samples ('images', the default, as through time), or
   * samples and steps ('imagesAndSteps', as in the rate and online methods).
   */
  over: is.oneOf(['images', 'imagesAndSteps']),
}

const weighed = {
  /** Samples have weights, which is the next argument. Default false. */
  weighted: is.flag(),
}

/** @param each each step's logits have a gradient of their own */
const lossTensors = <A extends tensors.Values>(
  { input, weighted }: Pick<Logits, 'input'> & is.Checked<typeof weighed>,
  each: boolean,
  target: Planning<A, 'takes'>,
) => ({
  /** Logits. */
  input: takes(floats(input)),
  /**
   * The right class of each sample, from 0, [B]; or wanted outputs, [B, C]. With targets: 'steps'
   * those of each step, [B, T] classes as floats or [B, T, C].
   */
  target,
  /** Factor of each sample's loss and gradient, [B]. */
  sampleWeights: weighted && takes(numbers([input.B])),
  /** The time mean, [B, C]. */
  output: makes(floats(shapes.still(input))),
  /** Class of the greatest time mean of each sample, the first of equals, [B]. */
  predictions: makes(integers([input.B])),
  /** One for each sample, [B]; 0 behind the valid ones. */
  losses: makes(numbers([input.B])),
  /** Gradient of the loss: of the time mean, [B, C]; of a loss of each step, of the input. */
  gradient: asked(floats(each ? input : shapes.still(input))),
  /** Mean over the valid samples, [1]. */
  loss: asked(tensors.word<Float32Array>(Control.Loss, 'float32')),
  /** Valid samples whose prediction is their target, [1]; 0 where targets are numbers. */
  correct: asked(tensors.word<Int32Array>(Control.Correct, 'int32')),
})

/** Options of losses of classes that their own functions check. */
const ofClasses = is.ofLayer<losses.ClassOptions>([
  'labelSmoothing',
  'targets',
  'ignore',
  'classWeights',
])

type OfClasses = is.Checked<typeof ofClasses>

function classesOf(
  op: string,
  of: Logits & OfClasses,
): Planning<Float32Array | Int32Array, 'takes'> {
  const { B, C } = of.input
  if (of.targets !== 'steps') return takes(tensors.classes(integers, [B], C))
  return takes(tensors.classes(numbers, [B, stepsOf(op, of)], C, of.ignore))
}

/** @throws SpikewasmError unless there is a weight for each class */
function checkWeights(op: string, { C }: shapes.Extent, weights: readonly number[] = []): void {
  if (weights.length > 0 && weights.length !== C)
    fail(`${op}.classWeights must have one for each of the ${C} classes, got ${weights.length}`)
}

type LossPlaces = Places & {
  readonly losses: Buffer
  readonly gradient: Buffer | undefined
  readonly sampleWeights?: Buffer
}

/** Emits the output and a loss of it; the gradient is divided by the samples, and by `over`. */
function emitEnds(
  o: OpBuilder,
  { losses, gradient: delta, sampleWeights: _, ...at }: LossPlaces,
  { over, ...logits }: Logits & is.Checked<typeof divided>,
  of: losses.Loss,
  { instantaneous = false, mseWeight = 0, allSteps = true } = {},
): Partial<Planned> {
  const end = ends(o, at, logits)
  const gradientScale = 1 / end.images / (over === 'images' ? 1 : end.steps)
  const numbers = { instantaneous, mseWeight, allSteps }
  emitLoss(o.b, { ...end, loss: { losses, delta, gradientScale, ...numbers, of } })
  return ofTarget(o)
}

/** Programs find targets by a pointer. */
function ofTarget({ made: { target, sampleWeights } }: OpBuilder): Partial<Planned> {
  const { checkOwn: before } = target as Partial<tensors.ClassTensor>
  const start: Planned['start'] = (block) => {
    block.address(Control.Target, target)
    if (sampleWeights) block.address(Control.Weights, sampleWeights)
  }
  return { start, before }
}

const validOf = (batch: number) => ({
  /** Samples that count; those behind them are padding. Default: all. */
  valid: is.integerIf(1, batch, batch),
})
/**
 * Numbers of one run.
 * @interface
 */
export type LossSettings = is.OptionsIn<ReturnType<typeof validOf>>

const validSetting = (batch: number) =>
  setting(validOf(batch), (block, { valid }) => block.word(Control.Valid, valid))

/** Steps whose bits a mask holds. */
const MOST_MASKED = 32

/** @param steps those of an instantaneous loss */
const maskedOf = (batch: number, steps?: number) => ({
  ...validOf(batch),
  /** With `instantaneous`: the steps that have a gradient. Default: all. */
  gradientSteps: is.option((name, list?: readonly number[]): number => {
    if (list === undefined) return 0xffffffff
    if (steps === undefined) fail(`${name} are of instantaneous losses; leave them out`)
    if (!Array.isArray(list) || !list.every((t) => Number.isInteger(t) && t >= 0 && t < steps))
      fail(`${name} must be a list of steps from 0 to ${steps - 1}, got ${describe(list)}`)
    return list.reduce((bits, t) => bits | (1 << t), 0)
  }),
})
/**
 * Numbers of one run.
 * @interface
 */
export type CrossEntropySettings = is.OptionsIn<ReturnType<typeof maskedOf>>

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
 * `classWeights` are PyTorch's `weight`, `ignore` with `targets: 'steps'` its `ignore_index`: the
 * loss is divided by the weights of the targets that count. `targets: 'steps'` is of each step's
 * logits.
 *
 * Where a logit is not a number, the loss and the sample's gradient are NaN, and the prediction is
 * the greatest of the others, but class 0 where that of class 0 is not a number.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const end = ops.crossEntropy.plan({ input: [2, 3] })
 * const logits = Float32Array.of(2, 1, 0, 0, 0, 3)
 * const { loss, gradient, correct } = end.run(logits, Int32Array.of(0, 1))
 * console.log(loss[0].toFixed(3), correct[0], gradient.length) // 1.751 1 6
 * console.log(end.run(logits, Int32Array.of(0, 1), { valid: 1 }).loss[0].toFixed(3)) // 0.408
 * ```
 */
export const crossEntropy = op('crossEntropy', {
  options: {
    ...logits,
    /** Share m of the mean squared error in the loss, 0…1. Default 0. */
    mseWeight: is.may(range('0…1'), 0),
    ...ofClasses,
    ...is.ofLayer<losses.CrossEntropyOptions>(['of']),
    /**
     * The loss is that of each step's own logits, as online methods have it, and not that of their
     * time mean. At most 32 steps. Default false.
     */
    instantaneous: is.flag(),
    ...weighed,
    ...divided,
    ...results,
  },
  returns: usual,
  tensors: (of, { op }) =>
    lossTensors(of, of.instantaneous || of.targets === 'steps', classesOf(op, of)),
  sets: ({ instantaneous, ...of }, { op }) =>
    setting(maskedOf(of.input.B, instantaneous ? stepsOf(op, of) : undefined), (block, of) => {
      block.word(Control.Valid, of.valid)
      if (instantaneous) block.word(Control.StepMask, of.gradientSteps)
    }),
  emit(o, at, { mseWeight, instantaneous, ...of }) {
    const { labelSmoothing, targets, ignore, classWeights } = of
    const loss = losses.crossEntropy({ labelSmoothing, targets, ignore, classWeights, of: of.of })
    checkWeights(o.op, of.input, classWeights)
    const steps = stepsOf(o.op, of)
    if (instantaneous && loss.of !== 'rates')
      fail(`${o.op}: a loss of counts is not instantaneous; leave one of them out`)
    if (instantaneous && !(steps <= MOST_MASKED))
      fail(`${o.op}: an instantaneous loss has at most ${MOST_MASKED} time steps, got ${steps}`)
    const each = { instantaneous: instantaneous || targets === 'steps', allSteps: !instantaneous }
    return emitEnds(o, at, of, loss, { ...each, mseWeight })
  },
})

const mseOptions = ['targets', 'ignore', 'of', 'correctRate', 'incorrectRate'] as const

/**
 * Mean squared error of a network's output, and its gradient:
 *
 *     y[b] = mean over t of input[b, t], with of: 'counts' the sum
 *     ℓ[b] = mean over c of (y[b, c] − w[b, c])²
 *     w[b, c] = correctRate for c = target[b], else incorrectRate (times T for counts);
 *               target[b, c] with targets: 'values'
 *     loss = mean of ℓ over the valid samples
 *
 * The gradient is of the time mean, [B, C], by `over` divided by T as well. With `targets: 'steps'`
 * y are the logits of each step, and so is the gradient; ℓ is the mean over the steps. Targets that
 * equal `ignore` have no loss and no gradient; the mean is over the others.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const values = ops.mse.plan({ input: [1, 2], targets: 'values' })
 * const { loss, gradient } = values.run(Float32Array.of(1, 3), Float32Array.of(1, 1))
 * console.log(loss[0], ...gradient) // 2 0 2
 * const steps = ops.tet.plan({ input: [1, 2, 2], lambda: 0, outputs: ['loss'] })
 * console.log(steps.run(new Float32Array(4), Int32Array.of(0))[0].toFixed(3)) // 0.693
 * ```
 */
export const mse = op('mse', {
  options: {
    ...logits,
    ...is.ofLayer<losses.MeanSquaredErrorOptions>(mseOptions),
    ...weighed,
    ...divided,
    ...results,
  },
  returns: usual,
  tensors(of, { op }) {
    const { B, C } = of.input
    const steps = of.targets === 'steps' ? [stepsOf(op, of)] : []
    const isLabels = of.targets === undefined || of.targets === 'labels'
    return lossTensors<Float32Array | Int32Array>(
      of,
      of.targets === 'steps',
      isLabels ? takes(tensors.classes(integers, [B], C)) : takes(numbers([B, ...steps, C])),
    )
  },
  sets: ({ input }) => validSetting(input.B),
  emit(o, at, { input, timeSteps, over, outputs: _, weighted: __, ...of }) {
    const instantaneous = of.targets === 'steps'
    return emitEnds(o, at, { input, timeSteps, over }, losses.mse(of), { instantaneous })
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
 * `labelSmoothing`, `targets`, `ignore` and `classWeights` are as in `crossEntropy`; the weight of
 * a class is also that of the distance.
 */
export const tet = op('tet', {
  options: {
    ...logits,
    ...ofClasses,
    ...is.ofLayer<losses.TetOptions>(['lambda', 'mean']),
    ...weighed,
    ...results,
  },
  returns: usual,
  tensors: (of, { op }) => lossTensors(of, true, classesOf(op, of)),
  sets: ({ input }) => validSetting(input.B),
  emit(o, at, { lambda, mean, ...of }) {
    const { labelSmoothing, targets, ignore, classWeights } = of
    const loss = losses.tet({ lambda, mean, labelSmoothing, targets, ignore, classWeights })
    checkWeights(o.op, of.input, classWeights)
    return emitEnds(o, at, { ...of, over: 'imagesAndSteps' }, loss, { instantaneous: true })
  },
})

/**
 * The loss `selfDistillation` of several outputs z_k, and its gradients:
 *
 *     teacher = mean of the outputs of a sample whose greatest is its target
 *     loss = mean over samples of alpha Σ_k cross entropy
 *            + beta τ² Σ_k mean over samples with a teacher of
 *              KL(softmax(teacher/τ) ‖ softmax(z_k/τ))
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * // Two outputs of one sample; the first is right.
 * const options = { input: [2, 1, 2], beta: 1, temperature: 1 }
 * const z = Float32Array.of(1, 0, 0, 1)
 * const { loss, gradient } = ops.selfDistillation(options, z, Int32Array.of(0))
 * console.log(loss[0].toFixed(4), ...Array.from(gradient, (g) => g.toFixed(4)))
 * ```
 */
export const selfDistillation = op('selfDistillation', {
  options: {
    /** All outputs one behind the other, [exits, B, C], the last one being the network's. */
    input: is.needed<readonly number[]>(),
    ...is.ofLayer<losses.SelfDistillationOptions>(['alpha', 'beta', 'temperature']),
  },
  tensors({ input: shape }, { op }) {
    shapes.checkShape(`${op}.input`, shape, 'exits B C')
    const [exits, B, C] = shape
    checkInteger(`${op}.input: exits`, exits, 1, 1000)
    // Rows of all outputs, one behind the other.
    const rows = shapes.extentOf(`${op}.input`, [exits * B, C])
    const extent = { ...rows, shape: [...shape] }
    return {
      /** [exits, B, C] */
      input: takes(floats(extent)),
      /** The right class of each sample, from 0, [B]. */
      target: takes(tensors.classes(integers, [B], C)),
      /** [exits, B, C] */
      gradient: gives(floats(extent)),
      /** One of each sample; their mean is the loss. */
      losses: gives(numbers([B])),
      /** Over the valid samples, [1]. */
      loss: gives(tensors.word<Float32Array>(Control.Loss, 'float32')),
    }
  },
  sets: ({ input }) => validSetting(input[1]),
  emit(o, { input, losses: each, gradient }, { input: [exitCount, images, classes], ...options }) {
    const { kind: _, ...rule } = losses.selfDistillation(options)
    const { stored: channels } = o.made.input
    const predictions = o.b.buffer('predictions', images * 4, 'statistics')
    const rowsOf = images * channels * 4
    const means = o.b.buffer('outputs', exitCount * rowsOf, 'statistics')
    const sizes = { images, channels, classes, predictions }
    const exits = Array.from({ length: exitCount }, (_, exit) => {
      const [logits, out] = [input, means].map((of) => ref(of, exit * rowsOf))
      const one = { logits, out, steps: 1, totalSteps: 1, stepBytes: 0 }
      o.b.emit(outputRecord, 1, { ...sizes, ...one })
      return { output: out, delta: ref(gradient, exit * rowsOf) }
    })
    const places = { losses: each, exits, exitCount, gradientScale: 1 / images }
    o.b.emit(distillation, 1, { ...sizes, ...rule, ...places })
    return ofTarget(o)
  },
})

/**
 * The gradient by the firing rates of a penalty on them:
 *
 *     rate = counts / timeSteps
 *     penalty  = weight · mean over the valid samples and their neurons of |rate − target|, or of
 *                (rate − target)²
 *     gradient = weight / (valid · neurons of a sample) · sign(rate − target), or
 *                · 2 · (rate − target)
 *
 * Samples behind the valid ones have gradient 0.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const options = { input: [1, 4], timeSteps: 4, weight: 2, target: 0.5 }
 * console.log(...ops.ratePenalty(options, Uint8Array.of(0, 2, 4, 3))) // -0.5 0 0.5 0.25
 * ```
 */
export const ratePenalty = op('ratePenalty', {
  options: {
    /** Shape of the counts, [B, C] or [B, C, H, W]. */
    input: is.untimed,
    /** The steps that were counted. */
    timeSteps: is.integer(1, shapes.MOST_STEPS),
    ...is.ofLayer<Omit<losses.RatePenaltyOptions, 'layers'>>(['weight', 'norm', 'target']),
    ...divided,
  },
  tensors: ({ input }) => ({
    /** Spikes of each neuron, such as `ops.lif` counts them. */
    counts: takes(tensors.bytes(input)),
    /** The input's shape. */
    gradient: gives(floats(input)),
  }),
  sets: ({ input }) => validSetting(input.B),
  emit({ b }, { counts, gradient: out }, { input, timeSteps: steps, over, ...of }) {
    const all = shapes.imagesOf(input)
    const penalty = losses.ratePenalty(of)
    const { units } = penaltyUnits(all.images, all.shape, all.stored)
    const partials = b.buffer('sums of units', units * 8, 'statistics')
    const scale = of.weight / shapes.sizeOf(all.shape) / (over === 'images' ? 1 : steps)
    emitRatePenalty(b, { ...all, steps, counts, out, partials, penalty, scale })
  },
})
