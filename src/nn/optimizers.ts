/** Optimizers, as plain data: a new one is a function here, with the text of its step. */

import { fail } from '../base/errors.js'
import { range, such, truth } from '../base/rules.js'
import { byText, emitAdam, emitSgd } from '../compile/emit/update.js'
import { defineOptimizer, type EmitStep, type OptimizerOptions } from '../compile/optimizer-kind.js'
import { decays } from '../network/optimizer.js'
import { rate } from '../network/schedule.js'

export type { Optimizer, OptimizerOptions } from '../compile/optimizer-kind.js'

declare module '../compile/optimizer-kind.js' {
  interface Optimizers {
    sgd: Sgd
    adam: Adam
    rmsprop: Rmsprop
  }
}

const share = (preset: number) => range('0…1 (1 excluded)', preset)

/** Options of `sgd`; each has a default. */
export interface SgdOptions extends OptimizerOptions {
  /** Share of the last step's velocity that is kept, 0…1, 1 excluded; default 0.9. */
  momentum?: number
  /** Whether the step looks ahead along the momentum, which must be > 0 then; default false. */
  nesterov?: boolean
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
 * @function
 */
export const sgd = defineOptimizer<Sgd, SgdOptions>('sgd', {
  options: {
    lr: rate(0.1),
    momentum: share(0.9),
    weightDecay: rate(0),
    nesterov: truth(false),
    ...decays(),
  },
  check({ nesterov, momentum }) {
    if (nesterov && momentum === 0) fail('sgd.nesterov needs a momentum > 0')
  },
  states: ['momentum_buffer'],
  emit: (b, { numbers: _, ...fields }, [velocities]) => emitSgd(b, { ...fields, velocities }),
})

/** Options of `adam` and `adamW`; each has a default. */
export interface AdamOptions extends OptimizerOptions {
  /**
   * How much of the running means of gradients and of their squares is kept, each 0…1, 1 excluded;
   * default [0.9, 0.999].
   */
  betas?: readonly [number, number]
  /** Added to the root of the mean square, > 0; default 1e-8. */
  eps?: number
}

/** What `adam` and `adamW` make: their options, completed. */
export interface Adam extends Readonly<Required<AdamOptions>> {
  /** Tells it from other optimizers. */
  readonly kind: 'adam' | 'adamW'
}

const arePair = (betas: unknown): boolean =>
  Array.isArray(betas) && betas.length === 2 && betas.every(share(0).fits)

const adamKind = (weightDecay: number) => ({
  options: {
    lr: rate(0.001),
    betas: such<readonly [number, number]>(
      'two numbers in 0…1 (1 excluded)',
      arePair,
      [0.9, 0.999],
    ),
    eps: range('> 0', 1e-8),
    weightDecay: rate(weightDecay),
    ...decays(),
  },
  rule: 'adam',
  states: ['exp_avg', 'exp_avg_sq'],
  emit: ((b, { otherDecay: _, ...fields }, [means, squares]) =>
    emitAdam(b, { ...fields, means, squares })) satisfies EmitStep,
})

/**
 * Adam (Kingma and Ba, ICLR 2015), by PyTorch's rule for a parameter p with gradient g at step n:
 *
 * - g ← g + weightDecay·p
 * - m ← β₁·m + (1 − β₁)·g, v ← β₂·v + (1 − β₂)·g²
 * - p ← p − lr·m̂/(√v̂ + eps), m̂ = m/(1 − β₁ⁿ), v̂ = v/(1 − β₂ⁿ)
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const adam = defineOptimizer<Adam, AdamOptions>('adam', adamKind(0))

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, ICLR 2019), by PyTorch's rule: as
 * `adam` without decay, and p ← p − lr·weightDecay·p before it.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const adamW = defineOptimizer<Adam, AdamOptions>('adamW', {
  ...adamKind(0.01),
  decoupled: true,
})

/** Options of `rmsprop`; each has a default. */
export interface RmspropOptions extends OptimizerOptions {
  /** Share of the running mean of squared gradients that is kept, 0…1, 1 excluded; default 0.99. */
  alpha?: number
  /** Added to the root of the mean square, > 0; default 1e-8. */
  eps?: number
  /** Share of the last step that is kept, 0…1, 1 excluded; default 0. */
  momentum?: number
}

/** What `rmsprop` makes: its options, completed. */
export interface Rmsprop extends Readonly<Required<RmspropOptions>> {
  /** Tells it from other optimizers. */
  readonly kind: 'rmsprop'
}

/**
 * RMSprop (Tieleman and Hinton, 2012), by PyTorch's rule for a parameter p with gradient g:
 *
 * - g ← g + weightDecay·p
 * - s ← alpha·s + (1 − alpha)·g²
 * - b ← momentum·b + g/(√s + eps)
 * - p ← p − lr·b
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const rmsprop = defineOptimizer<Rmsprop, RmspropOptions>('rmsprop', {
  options: {
    lr: rate(0.01),
    alpha: share(0.99),
    eps: range('> 0', 1e-8),
    momentum: share(0),
    weightDecay: rate(0),
    ...decays(),
  },
  states: ['square_avg', 'momentum_buffer'],
  emit: byText(`g = g + decay*p
    square_avg = alpha*square_avg + (1 - alpha)*g*g
    momentum_buffer = momentum*momentum_buffer + g/(sqrt(square_avg) + eps)
    p = p - lr*momentum_buffer`),
})
