/** Losses of one output: a new one is a function here, with what its record says. */

import { fail } from '../errors.js'
import { quoteMethodsWith, traitsOf } from '../plan/methods.js'
import * as records from '../plan/records/loss.js'
import { finite, oneOf, range } from '../rules.js'
import { defineLoss } from './kind.js'

declare module './made.js' {
  interface Losses {
    crossEntropy: CrossEntropy
    mse: MeanSquaredError
    tet: Tet
  }
}

/** What a loss is taken of: the mean over time of the last layer's output, or the sum. */
export type LossOf = 'rates' | 'counts'

const ofRule = () => oneOf<LossOf>(['rates', 'counts'], 'rates')

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

/** What `crossEntropy` makes: its options, completed. */
export interface CrossEntropy extends Readonly<Required<CrossEntropyOptions>> {
  /** Which loss it is. */
  readonly kind: 'crossEntropy'
}

/**
 * Cross entropy of the softmax of the output, the default loss; labels are classes.
 *
 * With `labelSmoothing` ε the target is (1 − ε)·onehot + ε/classes, as in PyTorch.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const crossEntropy = defineLoss<CrossEntropy, CrossEntropyOptions>('crossEntropy', {
  options: { labelSmoothing: range('0…1 (1 excluded)', 0), of: ofRule() },
  emit(b, { labelSmoothing }, fields, { mseWeight, instantaneous, outputScale }) {
    const smoothing = labelSmoothing || undefined
    const numbers = { mseWeight, instantaneous, labelSmoothing: smoothing, outputScale }
    b.emit(records.crossEntropy, 1, { ...fields, ...numbers })
  },
})

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

/** What `mse` makes: its options, completed. */
export interface MeanSquaredError extends Readonly<Required<MeanSquaredErrorOptions>> {
  /** Which loss it is. */
  readonly kind: 'mse'
}

/**
 * Mean over outputs of the squared distance from a target.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const mse = defineLoss<MeanSquaredError, MeanSquaredErrorOptions>('mse', {
  options: {
    targets: oneOf<'labels' | 'values'>(['labels', 'values'], 'labels'),
    of: ofRule(),
    correctRate: finite(1),
    incorrectRate: finite(0),
  },
  check({ targets }, given) {
    for (const key of ['correctRate', 'incorrectRate'] as const)
      if (given[key] !== undefined && targets === 'values')
        fail(`mse.${key} is an option of targets 'labels', got it with '${targets}'`)
  },
  ofValues: ({ targets }) => targets === 'values',
  emit(b, { targets, correctRate, incorrectRate }, fields, numbers) {
    const { factor, outputScale, instantaneous } = numbers
    const wanted =
      targets === 'values'
        ? { values: true }
        : { low: incorrectRate * factor, high: correctRate * factor }
    b.emit(records.meanSquaredError, 1, { ...fields, outputScale, ...wanted, instantaneous })
  },
})

/** Options of `tet`; each has a default. */
export interface TetOptions {
  /** Weight of the squared distance from `mean`, 0…1; default 0.05. */
  lambda?: number
  /** Where all outputs are drawn to; default 1, the threshold. */
  mean?: number
}

/** What `tet` makes: its options, completed. */
export interface Tet extends Readonly<Required<TetOptions>> {
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
  options: { lambda: range('0…1', 0.05), mean: finite(1) },
  ofSteps: true,
  checkPlan(_loss, options) {
    if (traitsOf(options).rows !== 'steps')
      fail(
        `loss tet() needs a gradient of each step, which method '${options.method}' has not; use ` +
          quoteMethodsWith(({ rows }) => rows === 'steps'),
      )
  },
  emit: (b, { lambda, mean }, fields, { allSteps, instantaneous }) =>
    b.emit(records.tet, 1, { ...fields, lambda, mean, allSteps, instantaneous }),
})
