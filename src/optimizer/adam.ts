/** Adam and AdamW, as plain data. */

import { checkArguments, checkOptions, describe, expect } from '../errors.js'
import { checkGroups, type ParameterGroup } from './groups.js'
import { checkRateOption } from './rate.js'

/** What `adam` and `adamW` make; its fields are those of `AdamOptions`, completed. */
export interface Adam {
  /** Tells it from other optimizers. */
  readonly kind: 'adam' | 'adamW'
  /** Learning rate, ≥ 0. */
  readonly lr: number
  /** How much of the means of gradients and of their squares is kept, each 0…1, 1 excluded. */
  readonly betas: readonly [number, number]
  /** Added to the root of the mean square, > 0. */
  readonly eps: number
  /** Weight decay, ≥ 0. */
  readonly weightDecay: number
  /** What decays: all parameters, or weights of convolutions and linear layers alone. */
  readonly decay: 'all' | 'weights'
  /** Parameters with numbers of their own. */
  readonly groups: readonly ParameterGroup[]
}

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

export const adamFields = ['lr', 'betas', 'eps', 'weightDecay', 'decay', 'groups']

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
  checkArguments('adam', more)
  return make('adam', options, 0)
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), by PyTorch's rule: as
 * `adam` without decay, and p ← p − lr·weightDecay·p before it.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function adamW(options: AdamOptions = {}, ...more: []): Adam {
  checkArguments('adamW', more)
  return make('adamW', options, 0.01)
}

const isShare = (b: unknown): boolean =>
  Number.isFinite(b) && (b as number) >= 0 && (b as number) < 1

function make(kind: Adam['kind'], options: AdamOptions, standardDecay: number): Adam {
  checkOptions(kind, options, adamFields)
  const { lr = 0.001, betas = [0.9, 0.999], eps = 1e-8 } = options
  const { weightDecay = standardDecay, decay = 'weights', groups = [] } = options
  checkRateOption(`${kind}.lr`, lr)
  expect(
    Array.isArray(betas) && betas.length === 2 && betas.every(isShare),
    () => `${kind}.betas must be two numbers in 0…1 (1 excluded), got ${describe(betas)}`,
  )
  expect(
    Number.isFinite(eps) && Math.fround(eps) > 0,
    () => `${kind}.eps must be > 0, got ${describe(eps)}`,
  )
  checkRateOption(`${kind}.weightDecay`, weightDecay)
  expect(
    decay === 'all' || decay === 'weights',
    () => `${kind}.decay must be 'all' or 'weights', got ${describe(decay)}`,
  )
  checkGroups(`${kind}.groups`, groups)
  return { kind, lr, betas: [betas[0], betas[1]], eps, weightDecay, decay, groups }
}
