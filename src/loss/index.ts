/** Losses, and penalties on firing rates, as plain data. */

import { describe, expect } from '../errors.js'
import { checkNames, type Names } from '../optimizer/index.js'
import { by, complete, finite, oneOf, type Rule, type Rules, range } from '../rules.js'

/** What a loss is taken of: the mean over time of the last layer's output, or the sum. */
export type LossOf = 'rates' | 'counts'

/** Options of `crossEntropy`; each has a default. */
export interface CrossEntropyOptions {
  /** Share of the target that is spread over all classes, 0…1, 1 excluded; default 0. */
  labelSmoothing?: number
  /**
   * 'rates': of the mean over time of the last layer's output, the default. 'counts': of its sum
   * over time, as snnTorch's ce_count_loss.
   */
  of?: LossOf
}

/** Options of `mse`; each has a default. */
export interface MeanSquaredErrorOptions {
  /**
   * 'labels', the default: the target is `correctRate` for the label's class and `incorrectRate`
   * for the others. 'values': the data give a number for each output, for regression.
   */
  targets?: 'labels' | 'values'
  /**
   * 'rates': of the mean over time of the last layer's output, the default. 'counts': of its sum
   * over time; targets of labels are then rates times T, as in snnTorch's mse_count_loss.
   */
  of?: LossOf
  /** Wanted rate of the right class; default 1. */
  correctRate?: number
  /** Wanted rate of the other classes; default 0. */
  incorrectRate?: number
}

/** Options of `tet`; each has a default. */
export interface TetOptions {
  /** Weight of the squared distance from `mean`, 0…1; default 0.05. */
  lambda?: number
  /** Where all outputs are drawn to; default 1, the threshold. */
  mean?: number
}

const ofRule = (): Rule<LossOf> => oneOf(['rates', 'counts'], 'rates')

/** What `crossEntropy` makes: its options, completed. */
export interface CrossEntropy extends Readonly<Required<CrossEntropyOptions>> {
  /** Which loss it is. */
  readonly kind: 'crossEntropy'
}

/** What `mse` makes: its options, completed. */
export interface MeanSquaredError extends Readonly<Required<MeanSquaredErrorOptions>> {
  /** Which loss it is. */
  readonly kind: 'mse'
}

/** What `tet` makes: its options, completed. */
export interface Tet extends Readonly<Required<TetOptions>> {
  /** Which loss it is. */
  readonly kind: 'tet'
}

/**
 * Cross entropy of the softmax of the output, the default loss; labels are classes.
 *
 * With `labelSmoothing` ε the target is (1 − ε)·onehot + ε/classes, as in PyTorch.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function crossEntropy(options: CrossEntropyOptions = {}, ...more: []): CrossEntropy {
  const rules = { labelSmoothing: range('0…1 (1 excluded)', 0), of: ofRule() }
  return { kind: 'crossEntropy', ...complete('crossEntropy', rules, options, more) }
}

/**
 * Mean over outputs of the squared distance from a target.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function mse(options: MeanSquaredErrorOptions = {}, ...more: []): MeanSquaredError {
  const targets: Rule<'labels' | 'values'> = oneOf(['labels', 'values'], 'labels')
  const rules = { targets, of: ofRule(), correctRate: finite(1), incorrectRate: finite(0) }
  const all = complete('mse', rules, options, more)
  for (const key of ['correctRate', 'incorrectRate'] as const)
    expect(
      options[key] === undefined || all.targets === 'labels',
      () => `mse.${key} is an option of targets 'labels', got it with '${all.targets}'`,
    )
  return { kind: 'mse', ...all }
}

/**
 * Temporal efficient training (Deng et al., ICLR 2022): the mean over time of (1 − lambda)·cross
 * entropy + lambda·mean squared distance from `mean`, of the output of each step.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function tet(options: TetOptions = {}, ...more: []): Tet {
  const rules = { lambda: range('0…1', 0.05), mean: finite(1) }
  return { kind: 'tet', ...complete('tet', rules, options, more) }
}

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

/** What a loss's maker gives. */
export type Loss = CrossEntropy | MeanSquaredError | Tet | SelfDistillation

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
 */
export function selfDistillation(
  options: SelfDistillationOptions = {},
  ...more: []
): SelfDistillation {
  const temperature = range('0.001…1000000', 3)
  const rules = { alpha: range('≥ 0', 1), beta: range('≥ 0', 0.3), temperature }
  return { kind: 'selfDistillation', ...complete('selfDistillation', rules, options, more) }
}

/** How each kind is made. */
const makers: LossMakers = { crossEntropy, mse, tet, selfDistillation }

/** Functions that make losses, by the kinds of what they make. */
export type LossMakers = Partial<Record<Loss['kind'], (options: never) => Loss>>

/** Names of all losses. */
export const lossNames: readonly Loss['kind'][] = ['crossEntropy', 'mse', 'tet', 'selfDistillation']

/** The loss of a network with several outputs where none is given. */
export const lossOfExits = (): Loss => selfDistillation()

/** @throws SpikewasmError unless `loss` is complete */
export const checkLoss = (name: string, loss: Loss): void => checkLossBy(makers, name, loss)

/**
 * The same where not all kinds can be made.
 *
 * @throws SpikewasmError unless `loss` is complete, and of a kind that can be made
 */
export function checkLossBy(makers: LossMakers, name: string, loss: Loss): void {
  const { kind } = Object(loss) as { readonly kind?: Loss['kind'] }
  const known = kind !== undefined && Object.hasOwn(makers, kind)
  const make = known ? (makers[kind] as (options: object) => Loss) : undefined
  expect(
    make !== undefined,
    () =>
      `${name} must be made by ${lossNames.join(', ')}, as in crossEntropy(), got ` +
      describe(loss),
  )
  const { kind: _, ...options } = loss
  // Rates belong to labels alone; made again, they are at their defaults.
  if (loss.kind === 'mse' && loss.targets === 'values') make({ targets: 'values', of: loss.of })
  else make(options)
}

/** Options of `ratePenalty`; `weight` has no default. */
export interface RatePenaltyOptions {
  /** Factor of the penalty, ≥ 0. */
  weight: number
  /** 'L1': |rate − target|. 'L2', the default: (rate − target)². */
  norm?: 'L1' | 'L2'
  /** The wanted firing rate, 0…1; default 0. */
  target?: number
  /** Neuron layers by name; default '*', all. */
  layers?: Names
}

/** What `ratePenalty` makes: its options, completed. */
export interface RatePenalty extends Readonly<Required<RatePenaltyOptions>> {
  /** What it is. */
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
 */
export function ratePenalty(options: RatePenaltyOptions, ...more: []): RatePenalty {
  const rules: Rules<Required<RatePenaltyOptions>> = {
    norm: oneOf(['L1', 'L2'], 'L2'),
    weight: range('≥ 0'),
    target: range('0…1', 0),
    layers: by(checkNames, '*'),
  }
  return { kind: 'ratePenalty', ...complete('ratePenalty', rules, options, more) }
}

/** @throws SpikewasmError unless it is a list of penalties */
export const checkPenalties = (name: string, penalties: readonly RatePenalty[]): void =>
  checkPenaltiesBy(ratePenalty, name, penalties)

/** The same where `make` may be absent: then a list must be empty. */
export function checkPenaltiesBy(
  make: typeof ratePenalty | undefined,
  name: string,
  penalties: readonly RatePenalty[],
): void {
  expect(
    Array.isArray(penalties) && penalties.every((p) => make && p?.kind === 'ratePenalty'),
    () => `${name} must be an array of what ratePenalty makes, got ${describe(penalties)}`,
  )
  for (const { kind: _, ...options } of penalties) make?.(options)
}
