/** Adam and AdamW, as plain data. */

import { by, complete, oneOf, type Rules, range, such } from '../rules.js'
import { checkGroups, type ParameterGroup } from './groups.js'
import { rate } from './rate.js'

/** Options of `adam` and `adamW`; each has a default. */
export interface AdamOptions {
  /** Learning rate, ≥ 0; default 0.001. */
  lr?: number
  /**
   * How much of the running means of gradients and of their squares is kept, each 0…1, 1 excluded;
   * default [0.9, 0.999].
   */
  betas?: readonly [number, number]
  /** Added to the root of the mean square, > 0; default 1e-8. */
  eps?: number
  /** Weight decay, ≥ 0; default 0 for `adam`, 0.01 for `adamW`. */
  weightDecay?: number
  /**
   * What decays: 'weights' of convolutions and linear layers alone, or 'all' parameters, as
   * PyTorch does. Default 'weights'.
   */
  decay?: 'all' | 'weights'
  /** Parameters with numbers of their own; default none. */
  groups?: readonly ParameterGroup[]
}

/** What `adam` and `adamW` make: their options, completed. */
export interface Adam extends Readonly<Required<AdamOptions>> {
  /** Tells it from other optimizers. */
  readonly kind: 'adam' | 'adamW'
}

/** @param weightDecay its default */
function rulesOf(weightDecay: number): Rules<Required<AdamOptions>> {
  const { fits } = range('0…1 (1 excluded)')
  const arePair = (betas: unknown): boolean =>
    Array.isArray(betas) && betas.length === 2 && betas.every(fits)
  return {
    lr: rate(0.001),
    betas: such('two numbers in 0…1 (1 excluded)', arePair, [0.9, 0.999]),
    eps: range('> 0', 1e-8),
    weightDecay: rate(weightDecay),
    decay: oneOf(['all', 'weights'], 'weights'),
    groups: by(checkGroups, []),
  }
}

/**
 * Adam (Kingma and Ba, ICLR 2015), by PyTorch's rule for a parameter p with gradient g at step n:
 *
 * - g ← g + weightDecay·p
 * - m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g²
 * - p ← p − lr·m̂/(√v̂ + eps), m̂ = m/(1 − β₁ⁿ), v̂ = v/(1 − β₂ⁿ)
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function adam(options: AdamOptions = {}, ...more: []): Adam {
  return { kind: 'adam', ...complete('adam', rulesOf(0), options, more) }
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), by PyTorch's rule: as
 * `adam` without decay, and p ← p − lr·weightDecay·p before it.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function adamW(options: AdamOptions = {}, ...more: []): Adam {
  return { kind: 'adamW', ...complete('adamW', rulesOf(0.01), options, more) }
}
