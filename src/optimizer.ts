/** Optimizers and learning-rate schedules, as plain data. */

import { checkBoolean, checkOptions, describe, expect } from './errors.js'

/** What `sgd` makes; its fields are those of `SgdOptions`, completed. */
export interface Sgd {
  /** Tells it from other optimizers. */
  readonly kind: 'sgd'
  /** Learning rate, ≥ 0. */
  readonly lr: number
  /** 0…1, 1 excluded. */
  readonly momentum: number
  /** L2 decay added to the gradient, ≥ 0. */
  readonly weightDecay: number
  /** Whether the step looks ahead along the momentum. */
  readonly nesterov: boolean
  /** What decays: all parameters, or weights of convolutions and linear layers alone. */
  readonly decay: 'all' | 'weights'
}

/** Options of `sgd`; each has a default. */
export interface SgdOptions {
  /** Learning rate, ≥ 0; default 0.1. */
  lr?: number
  /** Share of the last step's velocity that is kept, 0…1, 1 excluded; default 0.9. */
  momentum?: number
  /** L2 decay added to the gradient, ≥ 0; default 0. */
  weightDecay?: number
  /** Whether the step looks ahead along the momentum, which must be > 0 then; default false. */
  nesterov?: boolean
  /**
   * What decays: 'all' parameters (PyTorch's default, also ours), or 'weights' of convolutions and
   * linear layers alone (the paper's recipe for CIFAR).
   */
  decay?: 'all' | 'weights'
}

const fields = ['lr', 'momentum', 'weightDecay', 'nesterov', 'decay']

/**
 * Stochastic gradient descent with momentum, by PyTorch's rule for a parameter p with gradient g:
 *
 * - g ← g + weightDecay·p
 * - v ← momentum·v + g
 * - p ← p − lr·v, or p ← p − lr·(g + momentum·v) with `nesterov`
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function sgd(options: SgdOptions = {}): Sgd {
  checkOptions('sgd', options, fields)
  const { lr = 0.1, momentum = 0.9, weightDecay = 0, decay = 'all' } = options
  const nesterov = checkBoolean('sgd.nesterov', options.nesterov, false)
  expect(isRate(lr), () => `sgd.lr must be ≥ 0, got ${describe(lr)}`)
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum < 1,
    () => `sgd.momentum must lie in 0…1 (1 excluded), got ${describe(momentum)}`,
  )
  expect(isRate(weightDecay), () => `sgd.weightDecay must be ≥ 0, got ${describe(weightDecay)}`)
  expect(!nesterov || momentum > 0, () => 'sgd.nesterov needs a momentum > 0')
  expect(
    decay === 'all' || decay === 'weights',
    () => `sgd.decay must be 'all' or 'weights', got ${describe(decay)}`,
  )
  return { kind: 'sgd', lr, momentum, weightDecay, nesterov, decay }
}

/** Whether a value is a number ≥ 0 that stays finite in float32, as the kernels take it. */
function isRate(value: number): boolean {
  return Number.isFinite(value) && value >= 0 && Number.isFinite(Math.fround(value))
}

/** @throws SpikewasmError unless `value` can be the learning rate of a step */
export function checkRate(name: string, value: number): void {
  expect(isRate(value), () => `${name} must be a finite number ≥ 0, got ${describe(value)}`)
}

/**
 * @throws SpikewasmError unless `optimizer` is complete. A missing momentum, for example, would
 *   reach the kernels as NaN.
 */
export function checkOptimizer(name: string, optimizer: Sgd): void {
  expect(
    typeof optimizer === 'object' &&
      optimizer?.kind === 'sgd' &&
      fields.every((field) => optimizer[field as keyof Sgd] !== undefined),
    () => `${name} must be made by sgd, as in sgd({ lr: 0.1 }), got ${describe(optimizer)}`,
  )
  const { kind, ...options } = optimizer
  sgd(options)
}

/**
 * A learning-rate schedule: takes an epoch, counted from 0, and the number of epochs, and returns
 * the factor (≥ 0) of the optimizer's learning rate in that epoch.
 */
export type Schedule = (epoch: number, epochs: number) => number

/**
 * A schedule from 1 towards 0 along half a cosine, one step an epoch: (1 + cos(π·epoch/epochs)) /
 * 2, as PyTorch's CosineAnnealingLR with T_max = epochs.
 */
export function cosine(): Schedule {
  return (epoch, epochs) => (1 + Math.cos((Math.PI * epoch) / epochs)) / 2
}

/** A schedule that is always 1. */
export function constant(): Schedule {
  return () => 1
}

/**
 * A schedule that divides the learning rate by `factor` after every `every` epochs.
 * @param every epochs, an integer ≥ 1
 * @param factor ≥ 1; default 10
 * @throws SpikewasmError when an argument is out of range
 */
export function stepDecay(every: number, factor = 10): Schedule {
  expect(
    Number.isInteger(every) && every >= 1,
    () => `stepDecay.every must be an integer ≥ 1, got ${every}`,
  )
  expect(
    Number.isFinite(factor) && factor >= 1,
    () => `stepDecay.factor must be ≥ 1, got ${factor}`,
  )
  return (epoch) => factor ** -Math.floor(epoch / every)
}
