/** Stochastic gradient descent, as plain data. */

import { expect } from '../errors.js'
import { by, complete, oneOf, type Rules, range, truth } from '../rules.js'
import { checkGroups, type ParameterGroup } from './groups.js'
import { rate } from './rate.js'

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

/** What `sgd` makes: its options, completed. */
export interface Sgd extends Readonly<Required<SgdOptions>> {
  /** Tells it from other optimizers. */
  readonly kind: 'sgd'
}

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
  const rules: Rules<Required<SgdOptions>> = {
    lr: rate(0.1),
    momentum: range('0…1 (1 excluded)', 0.9),
    weightDecay: rate(0),
    nesterov: truth(false),
    decay: oneOf(['all', 'weights'], 'weights'),
    groups: by(checkGroups, []),
  }
  const all = complete('sgd', rules, options, more)
  expect(!all.nesterov || all.momentum > 0, () => 'sgd.nesterov needs a momentum > 0')
  return { kind: 'sgd', ...all }
}
