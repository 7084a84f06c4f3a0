/** Losses of one output, and penalties: a new one is a function here, with what its record says. */

import { describe, fail } from '../../base/errors.js'
import { by, finite, integer, oneOf, type Rule, range } from '../../base/rules.js'
import { type PlanOptions, purposeOf } from '../../compile/context.js'
import { giveTensorGradient } from '../../compile/emit/gradients.js'
import { emitRatePenalty, lowerOutputs, penaltyUnits } from '../../compile/emit/loss.js'
import {
  defineLoss,
  definePenalty,
  differingSizes,
  type End,
  lossKind,
} from '../../compile/loss-kind.js'
import { checkSteps, quoteMethodsWith, traitsOf } from '../../compile/methods.js'
import { hasTargetSteps } from '../../compile/training.js'
import * as records from '../../kernels/records/loss.js'
import type { Buffer } from '../../kernels/records/words.js'
import { checkNames, type Loss, type Names } from '../../network/optimizer.js'
import {
  expectOf,
  expectStepGradients,
  numberRules,
  numberTargets,
  optional,
  targetFields,
  withoutNaN,
} from './targets.js'

export type { Loss } from '../../network/optimizer.js'

declare module '../../network/optimizer.js' {
  interface Losses {
    crossEntropy: CrossEntropy
    mse: MeanSquaredError
    tet: Tet
    selfDistillation: SelfDistillation
  }
  interface Penalties {
    ratePenalty: RatePenalty
  }
}

/** What a loss is taken of: the mean over time of the last layer's output, or the sum. */
export type LossOf = 'rates' | 'counts'

const ofRule = () => oneOf<LossOf>(['rates', 'counts'], 'rates')

// Targets by step, numbers of targets that do not count, and weights of classes.

/** What the data give for losses of classes. */
export type ClassTargets = 'labels' | 'steps'

/** Options of losses of classes; each has a default. */
export interface ClassOptions<T extends ClassTargets = ClassTargets> {
  /** Share of the target that is spread over all classes, 0…1, 1 excluded; default 0. */
  labelSmoothing?: number
  /**
   * 'labels': the data give a class for each sample. 'steps': a class for each time step, as
   * `targets` of `fromArrays`, [N][T]; the loss is the mean over the steps of that of each step's
   * output. Methods bptt, ottt, sltt and os have it. Default 'labels'.
   */
  targets?: T
  /**
   * With targets 'steps': steps whose class is this integer have no loss and no gradient, and count
   * nowhere, as PyTorch's ignore_index; −1 for example. Where none is left the loss is 0. Default:
   * all count.
   */
  ignore?: number
  /**
   * A weight ≥ 0 for each class, as PyTorch's `weight`: the loss is divided by the sum of the
   * weights of the batch's labels. Default: all weigh as much.
   */
  classWeights?: readonly number[]
}

/** Options with all defaults, but for those that may be left out. */
type Completed<O, K extends keyof O> = Readonly<Required<Omit<O, K>> & Pick<O, K>>

/** Those that stay away where they are not given, so that settings are those of before. */
type Additions = 'targets' | 'ignore' | 'classWeights'

/** Rules of what losses of classes share. */
const classRules = () => ({
  labelSmoothing: range('0…1 (1 excluded)', 0),
  targets: optional(oneOf<'labels' | 'steps'>(['labels', 'steps'])),
  ignore: optional(integer(-(2 ** 24), 2 ** 24)),
  classWeights: optional(by(checkWeights)),
})

function checkWeights(name: string, weights: readonly number[]): void {
  const { fits } = range('≥ 0')
  if (!(Array.isArray(weights) && weights.every(fits) && weights.some((w) => w > 0)))
    fail(`${name} must be an array of numbers ≥ 0, one above 0 at least, got ${describe(weights)}`)
}

/** @throws SpikewasmError where the method has no gradient of each step, or weights do not fit */
function checkClasses(loss: CrossEntropy | Tet, options: PlanOptions): void {
  const { graph } = options
  const [classes] = graph.nodes[graph.output].shape
  const { kind, classWeights } = loss
  if (classWeights && classWeights.length !== classes)
    fail(
      `${kind}.classWeights must have one for each of the ${classes} classes, got ` +
        `${classWeights.length}`,
    )
  expectStepGradients(loss, options)
}

/** What a target of a class for each step holds. */
const classRule = ({ ignore }: Pick<ClassOptions, 'ignore'>, classes: number): Rule<number> => ({
  ...integer(0, classes - 1),
  words: [`classes, integers from 0 to ${classes - 1}`, ignore ?? []].flat().join(', or '),
  fits: (value) => value === ignore || integer(0, classes - 1).fits(value),
})

const classTargets = {
  ofSteps: hasTargetSteps,
  targetFloats: (loss: Loss, { timeSteps }: Pick<PlanOptions, 'timeSteps'>) =>
    hasTargetSteps(loss) ? timeSteps : 0,
  targetRule: classRule,
  checkPlan: checkClasses,
}

/** Options of `crossEntropy`; each has a default. */
export interface CrossEntropyOptions<T extends ClassTargets = ClassTargets>
  extends ClassOptions<T> {
  /**
   * 'rates': of the mean over time of the last layer's output. 'counts': of its sum over time, as
   * snnTorch's ce_count_loss. Default 'rates'.
   */
  of?: LossOf
}

/** What `crossEntropy` makes: its options, completed. */
export interface CrossEntropy<T extends ClassTargets = ClassTargets>
  extends Completed<CrossEntropyOptions<T>, Additions> {
  /** Which loss it is. */
  readonly kind: 'crossEntropy'
}

/**
 * Cross entropy of the softmax of the output, the default loss; labels are classes.
 *
 * With `labelSmoothing` ε the target is (1 − ε)·onehot + ε/classes, as in PyTorch; `classWeights`
 * and `ignore` are its `weight` and `ignore_index`, with the mean over the batch.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const crossEntropy = defineLoss<CrossEntropy, CrossEntropyOptions>('crossEntropy', {
  options: { ...classRules(), of: ofRule() },
  ...classTargets,
  check(all, given) {
    expectOf('crossEntropy', all, given, ['of'], ['labels'])
    expectOf('crossEntropy', all, given, ['ignore'], ['steps'])
  },
  emit(b, loss, fields, of) {
    const { mseWeight, instantaneous, outputScale } = of
    const labelSmoothing = loss.labelSmoothing || undefined
    const numbers = { mseWeight, instantaneous, labelSmoothing, outputScale }
    b.emit(records.crossEntropy, 1, { ...fields, ...numbers, ...targetFields(loss, fields, of) })
  },
}) as <T extends ClassTargets = 'labels'>(
  options?: CrossEntropyOptions<T>,
  ...more: []
) => CrossEntropy<T>

/** What the data give for `mse`. */
export type ValueTargets = 'labels' | 'values' | 'steps'

/** Options of `mse`; each has a default. */
export interface MeanSquaredErrorOptions<T extends ValueTargets = ValueTargets> {
  /**
   * 'labels': the target is `correctRate` for the label's class and `incorrectRate` for the others.
   * 'values': the data give a number for each output, for regression. 'steps': a number for each
   * output at each time step, [N][T][outputs]; the loss is of each step's output. Methods bptt,
   * ottt, sltt and os have it. Default 'labels'.
   */
  targets?: T
  /**
   * With targets 'values' and 'steps': targets that are this number, or NaN, have no loss and no
   * gradient; the mean is over the others. Where none is left the loss is 0. Default: all count.
   */
  ignore?: number | 'NaN'
  /**
   * 'rates': of the mean over time of the last layer's output. 'counts': of its sum over time;
   * targets of labels are then rates times T, as in snnTorch's mse_count_loss. Default 'rates'.
   */
  of?: LossOf
  /** Wanted rate of the right class; default 1. */
  correctRate?: number
  /** Wanted rate of the other classes; default 0. */
  incorrectRate?: number
}

/** What `mse` makes: its options, completed. */
export interface MeanSquaredError<T extends ValueTargets = ValueTargets>
  extends Completed<MeanSquaredErrorOptions<T>, 'ignore'> {
  /** Which loss it is. */
  readonly kind: 'mse'
}

/**
 * Mean over outputs of the squared distance from a target.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export const mse = <T extends ValueTargets = 'labels'>(
  options: MeanSquaredErrorOptions<T> = {},
  ...more: []
): MeanSquaredError<T> => makeMse(withoutNaN(options), ...more) as MeanSquaredError<T>

const makeMse = defineLoss<MeanSquaredError, MeanSquaredErrorOptions>('mse', {
  options: { ...numberRules(), of: ofRule(), correctRate: finite(1), incorrectRate: finite(0) },
  check(all, given) {
    expectOf('mse', all, given, ['correctRate', 'incorrectRate'], ['labels'])
    expectOf('mse', all, given, ['of'], ['labels', 'values'])
    expectOf('mse', all, given, ['ignore'], ['values', 'steps'])
  },
  ofSteps: hasTargetSteps,
  ...numberTargets,
  checkPlan: expectStepGradients,
  emit(b, loss, fields, numbers) {
    const { factor, outputScale, instantaneous } = numbers
    const { targets, correctRate, incorrectRate } = loss
    const wanted =
      targets === 'labels'
        ? { low: incorrectRate * factor, high: correctRate * factor }
        : { values: true }
    const own = targetFields(loss, fields, numbers)
    const all = { ...fields, outputScale, ...wanted, instantaneous, ...own }
    b.emit(records.meanSquaredError, 1, all)
  },
})

/** Options of `tet`; each has a default. */
export interface TetOptions<T extends ClassTargets = ClassTargets> extends ClassOptions<T> {
  /** Weight of the squared distance from `mean`, 0…1; default 0.05. */
  lambda?: number
  /** Where all outputs are drawn to; default 1, the threshold. */
  mean?: number
}

/** What `tet` makes: its options, completed. */
export interface Tet<T extends ClassTargets = ClassTargets>
  extends Completed<TetOptions<T>, Additions | 'labelSmoothing'> {
  /** Which loss it is. */
  readonly kind: 'tet'
}

/**
 * Temporal efficient training (Deng et al., ICLR 2022): the mean over time of (1 − lambda)·cross
 * entropy + lambda·mean squared distance from `mean`, of the output of each step.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const tet = defineLoss<Tet, TetOptions>('tet', {
  options: {
    ...classRules(),
    labelSmoothing: optional(range('0…1 (1 excluded)')),
    lambda: range('0…1', 0.05),
    mean: finite(1),
  },
  ...classTargets,
  ofSteps: () => true,
  check: (all, given) => expectOf('tet', all, given, ['ignore'], ['steps']),
  emit(b, loss, fields, numbers) {
    const { lambda, mean } = loss
    const labelSmoothing = loss.labelSmoothing || undefined
    const { allSteps, instantaneous } = numbers
    const own = { lambda, mean, labelSmoothing, allSteps, instantaneous }
    b.emit(records.tet, 1, { ...fields, ...own, ...targetFields(loss, fields, numbers) })
  },
}) as <T extends ClassTargets = 'labels'>(options?: TetOptions<T>, ...more: []) => Tet<T>

// Penalties on firing rates: their value, and what they add to the gradient of spikes.

/** Options of `ratePenalty`; `weight` has no default. */
export interface RatePenaltyOptions {
  /** Factor of the penalty, ≥ 0. */
  weight: number
  /** 'L1': |rate − target|. 'L2': (rate − target)². Default 'L2'. */
  norm?: 'L1' | 'L2'
  /** The wanted firing rate, 0…1; default 0. */
  target?: number
  /** Neuron layers by name; default '*', all. */
  layers?: Names
}

/** What `ratePenalty` makes: its options, completed. */
export interface RatePenalty extends Readonly<Required<RatePenaltyOptions>> {
  /** Tells it from other penalties, also in files. */
  readonly kind: 'ratePenalty'
}

/**
 * A penalty on firing rates, added to the loss: weight times the mean over samples and neurons of
 * each layer of |rate − target| or (rate − target)², summed over the layers.
 *
 * It is a penalty on each neuron, not on the mean rate of a layer. Neurons far below threshold have
 * hardly a gradient, and those that fire too often have one: the mean rate may move away from the
 * target for a while although the penalty falls. A step is as large as weight times learning
 * rate: where it is too large, rates jump to and fro past the target.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const ratePenalty = definePenalty<RatePenalty, RatePenaltyOptions>('ratePenalty', {
  options: {
    norm: oneOf<'L1' | 'L2'>(['L1', 'L2'], 'L2'),
    weight: range('≥ 0'),
    target: range('0…1', 0),
    layers: by<Names>(checkNames, '*'),
  },
  give(pass, node, spikes, penalty, name) {
    const { b, images, options } = pass
    const { shape, stored } = spikes
    const { units } = penaltyUnits(images, shape, stored)
    const neurons = shape[0] * shape[1] * shape[2]
    const steps = options.timeSteps
    const over = pass.context.method.lossOver === 'images' ? 1 : steps
    const bytes = shape[1] * shape[2] * stored * 4
    const out = pass.imageBuffer(`${node.name} gradient of ${name}`, bytes)
    const partials = b.buffer(`${node.name} ${name}`, units * 8, 'statistics')
    const factor = penalty.weight / neurons
    const { counts } = spikes
    const sums = counts ? undefined : pass.spikeSums(spikes).buffer
    const record = { counts, sums, out, partials, images, shape, stored, penalty }
    emitRatePenalty(b, { ...record, steps, scale: factor / over })
    // Each step's spike has its share of the time mean.
    giveTensorGradient(spikes, out, 1, 1 / pass.gradientSteps)
    pass.penalties.push({ name: node.name, partials, units, factor })
  },
})

// The loss of all outputs of a network with several.

/** Options of `selfDistillation`; each has a default. */
export interface SelfDistillationOptions {
  /** Weight of the cross entropy of each output, ≥ 0; default 1. */
  alpha?: number
  /** Weight of the divergence of each output from the teacher, ≥ 0; default 0.3. */
  beta?: number
  /** Temperature of the softmax of the divergences, > 0; default 3. */
  temperature?: number
}

/** What `selfDistillation` makes: its options, completed. */
export interface SelfDistillation extends Readonly<Required<SelfDistillationOptions>> {
  /** Which loss it is. */
  readonly kind: 'selfDistillation'
}

/**
 * Enhanced self-distillation, for a network with several outputs (a forward function that returns
 * them by name): alpha · Σ cross entropy + beta · temperature² · Σ KL divergence from the teacher,
 * summed over the outputs. The teacher of a sample is the mean of those of its outputs that are
 * right; a sample without one has no divergence. No gradient goes through the teacher.
 *
 * After the code of "Enhanced Self-Distillation Framework for Efficient Spiking Neural Network
 * Training" (Intelli-Chip-Lab, 2025), which trains with rate-based backpropagation; its defaults
 * are alpha 1, beta 0.3 and temperature 3. In method 'rate' the gradient is divided by T, as that
 * of other losses. Evaluation is of the last output, by its cross entropy.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const selfDistillation = defineLoss<SelfDistillation, SelfDistillationOptions>(
  'selfDistillation',
  {
    options: {
      alpha: range('≥ 0', 1),
      beta: range('≥ 0', 0.3),
      temperature: range('0.001…1000000', 3),
    },
    ofExits: true,
    checkPlan(_loss, options) {
      const { graph, method, stepMode } = options
      if (graph.exits === undefined)
        fail(
          'loss selfDistillation() needs a network with two outputs or more: return them by name ' +
            'in its forward function, as in { early, output }',
        )
      const sizes = differingSizes(graph)
      if (sizes)
        fail(
          `loss selfDistillation() needs outputs of one size, got ${sizes}; give loss: custom(…)`,
        )
      const fitting = quoteMethodsWith(({ loop }) => loop === 'layers')
      if (traitsOf(options).loop !== 'layers' || stepMode !== 'm')
        fail(
          `loss selfDistillation() needs method ${fitting} ` +
            `with stepMode 'm', got '${method}' with stepMode '${stepMode}'`,
        )
      const { training } = purposeOf(options)
      const what = 'timeSteps with loss selfDistillation()'
      if (training) checkSteps('selfDistillation', what, options.timeSteps, 'fewer')
    },
    // Evaluation is of the last output.
    emit: (b, _loss, fields, numbers) =>
      lossKind('crossEntropy').emit(b, crossEntropy(), fields, numbers),
    lower,
  },
)

function lower(end: End, loss: SelfDistillation): void {
  const { pass, node } = end
  const { b, context, images } = pass
  const { alpha, beta, temperature } = loss
  const exits = lowerOutputs(end)
  b.emit(records.selfDistillation, 1, {
    predictions: context.buffers.predictions,
    losses: context.buffers.losses as Buffer,
    images,
    channels: exits[0].stored,
    classes: node.shape[0],
    gradientScale: exits[0].gradientScale,
    exits: exits.map(({ mean, delta }) => ({ output: mean, delta: delta as Buffer })),
    exitCount: exits.length,
    alpha,
    beta,
    temperature,
  })
}
