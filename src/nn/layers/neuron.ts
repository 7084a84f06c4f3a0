/** Spiking neurons. */

import { checkBoolean, checkOptions, expect } from '../../errors.js'
import { checkDynamics } from './dynamics.js'
import { type LayerKind, sameShape } from './kind.js'
import type { SurrogateName } from './surrogates.js'

/** What `lif`, `integrateAndFire` and `plif` make. */
export interface Neuron {
  /** Tells this layer from others. */
  readonly kind: 'neuron'
  /** Membrane time constant τ in time steps; Infinity for an integrate-and-fire neuron. */
  readonly tau: number
  /** Whether the input is divided by τ as well. */
  readonly decayInput: boolean
  /** Potential from which on a neuron spikes. */
  readonly vThreshold: number
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: number | null
  /** Whether no gradient passes the reset's spike. */
  readonly detachReset: boolean
  /** What stands in for the derivative of a spike. */
  readonly surrogate: SurrogateName
  /** Sharpness α of the surrogate. */
  readonly alpha: number
  /** τ is a parameter (PLIF). */
  readonly learnable: boolean
}

/** Options of `lif`, `plif` and, but for `tau` and `decayInput`, `integrateAndFire`. */
export interface NeuronOptions {
  /**
   * Membrane time constant τ in time steps, > 1. Default 1.25, the paper's: a share λ = 1 − 1/τ =
   * 0.2 of the potential is left after a step. `plif` starts at 2.
   */
  tau?: number
  /** Whether the input is divided by τ as well; default false. */
  decayInput?: boolean
  /** A neuron spikes when its potential is ≥ vThreshold (ties fire); default 1. */
  vThreshold?: number
  /**
   * Potential after a spike, < vThreshold (hard reset). Default null: the threshold is subtracted
   * (soft reset).
   */
  vReset?: number | null
  /** Whether no gradient passes through the spike of the reset; default true. */
  detachReset?: boolean
  /** What stands in for the derivative of a spike; default 'sigmoid'. */
  surrogate?: SurrogateName
  /**
   * Sharpness α of the surrogate, > 0. Defaults: sigmoid 4, atan 2, triangle 1, rectangle 1,
   * fastSigmoid 25, piecewiseExp 1, erf 2.
   */
  alpha?: number
}

/** Options of neurons without `tau` and `decayInput`, and of all. */
export const fixedTauOptions = ['vThreshold', 'vReset', 'detachReset', 'surrogate', 'alpha']

export const neuronOptions = ['tau', 'decayInput', ...fixedTauOptions]

/**
 * Neurons of one kind for a whole layer.
 *
 * @param name what messages call it
 * @param learnable τ is a parameter
 */
export function neuron(
  name: string,
  tau: number,
  learnable: boolean,
  options: NeuronOptions,
): Neuron {
  const dynamics = checkDynamics(name, tau, options)
  expect(
    !learnable || tau < Number.POSITIVE_INFINITY,
    () => `${name}.tau must be finite, got ${tau}; use integrateAndFire()`,
  )
  const detachReset = checkBoolean(`${name}.detachReset`, options.detachReset, true)
  const { surrogate, alpha, ...charge } = dynamics
  return { kind: 'neuron', ...charge, detachReset, surrogate, alpha, learnable }
}

/** The function that makes such neurons. */
function neuronName({ learnable, tau }: Neuron): string {
  if (learnable) return 'plif'
  return tau === Number.POSITIVE_INFINITY ? 'integrateAndFire' : 'lif'
}

export const neuronKind: LayerKind<Neuron> = {
  ...sameShape,
  again: ({ learnable, ...options }) => {
    const learns = checkBoolean('neuron.learnable', learnable, false)
    const name = learns ? 'plif' : 'lif'
    checkOptions(name, options, neuronOptions)
    return neuron(name, options.tau, learns, options)
  },
  label: neuronName,
  spikes: () => true,
  title: 'neurons',
  // 1/τ = σ(w)
  parameters: ({ learnable, tau }) =>
    learnable ? [{ name: 'w', shape: [], decays: false, initial: -Math.log(tau - 1) }] : [],
}
