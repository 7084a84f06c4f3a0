/** Spiking neurons. */

import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { checkSurrogate, type SurrogateName } from '../surrogates.js'
import { type LayerKind, sameShape } from './kind.js'

export type { SurrogateName } from '../surrogates.js'

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

const fixedTauOptions = ['vThreshold', 'vReset', 'detachReset', 'surrogate', 'alpha']

const neuronOptions = ['tau', 'decayInput', ...fixedTauOptions]

function neuron(name: string, tau: number, learnable: boolean, options: NeuronOptions): Neuron {
  const { vThreshold = 1, vReset = null, surrogate = 'sigmoid' } = options
  const alpha = checkSurrogate(name, surrogate, options.alpha)
  expect(typeof tau === 'number' && tau > 1, () => `${name}.tau must be > 1, got ${describe(tau)}`)
  expect(
    !learnable || tau < Number.POSITIVE_INFINITY,
    () => `${name}.tau must be finite, got ${tau}; use integrateAndFire()`,
  )
  expect(
    Number.isFinite(vThreshold) && vThreshold > 0,
    () => `${name}.vThreshold must be > 0, got ${describe(vThreshold)}`,
  )
  expect(
    vReset === null || (Number.isFinite(vReset) && vReset < vThreshold),
    () => `${name}.vReset must be null or < vThreshold (${vThreshold}), got ${describe(vReset)}`,
  )
  const decayInput = checkBoolean(`${name}.decayInput`, options.decayInput, false)
  const detachReset = checkBoolean(`${name}.detachReset`, options.detachReset, true)
  return {
    kind: 'neuron',
    tau,
    decayInput,
    vThreshold,
    vReset,
    detachReset,
    surrogate,
    alpha,
    learnable,
  }
}

/**
 * Leaky integrate-and-fire neurons, one for each number of the input: [C, H, W] → [C, H, W], spikes
 * 0 or 1. At each time step, with input current I and potential v:
 *
 * - charge: u = v − (v − v0)/τ + I, or u = v + (I − (v − v0))/τ with `decayInput`
 * - fire: the spike s is 1 where u ≥ vThreshold, else 0
 * - reset: v = u − vThreshold·s, or v = (1 − s)·u + s·vReset where `vReset` is a number
 *
 * v0 is `vReset`, or 0 where that is null; v starts at v0 for each batch. Defaults are those of the
 * paper on rate-based backpropagation (Yu et al., NeurIPS 2024, arXiv 2410.11488).
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function lif(options: NeuronOptions = {}): Neuron {
  checkOptions('lif', options, neuronOptions)
  const { tau = 1.25 } = options
  return neuron('lif', tau, false, options)
}

/**
 * Integrate-and-fire neurons: as `lif`, without leak (τ = ∞). [C, H, W] → [C, H, W].
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function integrateAndFire(options: Omit<NeuronOptions, 'tau' | 'decayInput'> = {}): Neuron {
  checkOptions('integrateAndFire', options, fixedTauOptions)
  return neuron('integrateAndFire', Number.POSITIVE_INFINITY, false, options)
}

/**
 * LIF neurons with a learnable time constant (PLIF; Fang et al., ICCV 2021): as `lif`, with 1/τ =
 * σ(w) and one parameter `w`, a scalar, for the layer. `tau` is where τ starts, default 2. Only
 * method bptt can train it.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function plif(options: NeuronOptions = {}): Neuron {
  checkOptions('plif', options, neuronOptions)
  const { tau = 2 } = options
  return neuron('plif', tau, true, options)
}

export const neuronKind: LayerKind<Neuron> = {
  ...sameShape,
  again: ({ learnable, ...options }) =>
    checkBoolean('neuron.learnable', learnable, false) ? plif(options) : lif(options),
  title: 'neurons',
  // 1/τ = σ(w)
  parameters: ({ learnable, tau }) =>
    learnable ? [{ name: 'w', shape: [], decays: false, initial: -Math.log(tau - 1) }] : [],
}
