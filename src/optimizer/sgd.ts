/** Stochastic gradient descent, as plain data. */

import { checkArguments, checkBoolean, checkOptions, describe, expect } from '../errors.js'
import { checkGroups, type ParameterGroup } from './groups.js'
import { checkRateOption } from './rate.js'

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
  /** Parameters with numbers of their own. */
  readonly groups: readonly ParameterGroup[]
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
   * What decays: 'weights' of convolutions and linear layers alone (the paper's recipe), or 'all'
   * parameters, as PyTorch does. Default 'weights'.
   */
  decay?: 'all' | 'weights'
  /** Parameters with numbers of their own; default none. */
  groups?: readonly ParameterGroup[]
}

export const sgdFields = ['lr', 'momentum', 'weightDecay', 'nesterov', 'decay', 'groups']

/**
 * Stochastic gradient descent with momentum, by PyTorch's rule for a parameter p with gradient g:
 *
 * - g ← g + weightDecay·p
 * - v ← momentum·v + g
 * - p ← p − lr·v, or p ← p − lr·(g + momentum·v) with `nesterov`
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function sgd(options: SgdOptions = {}, ...more: []): Sgd {
  checkArguments('sgd', more)
  checkOptions('sgd', options, sgdFields)
  const { lr = 0.1, momentum = 0.9, weightDecay = 0, decay = 'weights', groups = [] } = options
  const nesterov = checkBoolean('sgd.nesterov', options.nesterov, false)
  checkRateOption('sgd.lr', lr)
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum < 1,
    () => `sgd.momentum must lie in 0…1 (1 excluded), got ${describe(momentum)}`,
  )
  checkRateOption('sgd.weightDecay', weightDecay)
  expect(!nesterov || momentum > 0, () => 'sgd.nesterov needs a momentum > 0')
  expect(
    decay === 'all' || decay === 'weights',
    () => `sgd.decay must be 'all' or 'weights', got ${describe(decay)}`,
  )
  checkGroups('sgd.groups', groups)
  return { kind: 'sgd', lr, momentum, weightDecay, nesterov, decay, groups }
}
