/** Optimizers and learning-rate schedules, as plain data. */

import { checkBoolean, checkOptions, describe, expect } from './errors.js'

/** What `sgd` makes; its fields are those of `SgdOptions`, completed. */
export interface Sgd {
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

export interface SgdOptions {
  /** Learning rate; default 0.1. */
  lr?: number
  /** Default 0.9. */
  momentum?: number
  /** L2 decay added to the gradient; default 0. */
  weightDecay?: number
  /** Default false. */
  nesterov?: boolean
  /**
   * What decays: 'all' parameters (PyTorch's default, also ours), or 'weights' of convolutions and
   * linear layers alone (the paper's recipe for CIFAR).
   */
  decay?: 'all' | 'weights'
}

const fields = ['lr', 'momentum', 'weightDecay', 'nesterov', 'decay']

/**
 * Stochastic gradient descent with momentum, PyTorch's rule: g ← g + decay·p; v ← momentum·v + g; p
 * ← p − lr·v.
 * @throws SpikewasmError when an option is unknown or out of range.
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
 * @throws SpikewasmError unless `optimizer` is complete: one without momentum, say, would be taken
 *   for one with NaN
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

/** Factor of the learning rate in an epoch (from 0) of so many. */
export type Schedule = (epoch: number, epochs: number) => number

/**
 * From 1 to 0 along half a cosine, stepped once an epoch (PyTorch's CosineAnnealingLR with T_max =
 * epochs).
 */
export function cosine(): Schedule {
  return (epoch, epochs) => (1 + Math.cos((Math.PI * epoch) / epochs)) / 2
}

/** Always 1. */
export function constant(): Schedule {
  return () => 1
}

/**
 * Divided by `factor` every `every` epochs.
 * @throws SpikewasmError when an option is out of range.
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
