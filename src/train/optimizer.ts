/** Optimizers and learning-rate schedules, as plain data. */

import { expect } from '../errors.js'

export interface Sgd {
  readonly kind: 'sgd'
  readonly lr: number
  readonly momentum: number
  readonly weightDecay: number
  readonly nesterov: boolean
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
  /** What decays: 'all' parameters (PyTorch's default, also ours), or 'weights' of convolutions and linear layers alone (the paper's recipe for CIFAR). */
  decay?: 'all' | 'weights'
}

/**
 * Stochastic gradient descent with momentum, PyTorch's rule: g ← g + decay·p; v ← momentum·v + g; p ← p − lr·v.
 * @throws SpikewasmError when an option is out of range.
 */
export function sgd(options: SgdOptions = {}): Sgd {
  const { lr = 0.1, momentum = 0.9, weightDecay = 0, nesterov = false, decay = 'all' } = options
  expect(Number.isFinite(lr) && lr >= 0, () => `sgd.lr must be ≥ 0, got ${lr}`)
  expect(momentum >= 0 && momentum < 1, () => `sgd.momentum must lie in 0…1 (1 excluded), got ${momentum}`)
  expect(Number.isFinite(weightDecay) && weightDecay >= 0, () => `sgd.weightDecay must be ≥ 0, got ${weightDecay}`)
  expect(!nesterov || momentum > 0, () => 'sgd.nesterov needs a momentum > 0')
  expect(decay === 'all' || decay === 'weights', () => `sgd.decay must be 'all' or 'weights', got ${JSON.stringify(decay)}`)
  return { kind: 'sgd', lr, momentum, weightDecay, nesterov, decay }
}

/** Factor of the learning rate in an epoch (from 0) of so many. */
export type Schedule = (epoch: number, epochs: number) => number

/** From 1 to 0 along half a cosine, stepped once an epoch (PyTorch's CosineAnnealingLR with T_max = epochs). */
export function cosine(): Schedule {
  return (epoch, epochs) => (1 + Math.cos((Math.PI * epoch) / epochs)) / 2
}

/** Always 1. */
export function constant(): Schedule {
  return () => 1
}

/** Divided by `factor` every `every` epochs. @throws SpikewasmError when an option is out of range. */
export function stepDecay(every: number, factor = 10): Schedule {
  expect(Number.isInteger(every) && every >= 1, () => `stepDecay.every must be an integer ≥ 1, got ${every}`)
  expect(factor >= 1, () => `stepDecay.factor must be ≥ 1, got ${factor}`)
  return (epoch) => factor ** -Math.floor(epoch / every)
}
