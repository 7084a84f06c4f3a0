/** Spiking neurons. */

import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** Functions that stand in for the derivative of a spike. */
export type SurrogateName =
  | 'sigmoid'
  | 'atan'
  | 'triangle'
  | 'rectangle'
  | 'fastSigmoid'
  | 'piecewiseExp'
  | 'erf'

/** What `lif`, `integrateAndFire` and `plif` make. */
export interface Neuron {
  readonly kind: 'neuron'
  /** Membrane time constant in steps; Infinity for an integrate-and-fire neuron. */
  readonly tau: number
  /** Whether the input is divided by τ as well. */
  readonly decayInput: boolean
  /** Potential from which on a neuron spikes. */
  readonly vThreshold: number
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: number | null
  /** Whether no gradient passes the reset's spike. */
  readonly detachReset: boolean
  readonly surrogate: SurrogateName
  /** Sharpness of the surrogate. */
  readonly alpha: number
  /** τ is a parameter (PLIF). */
  readonly learnable: boolean
}

const defaultAlpha: Record<SurrogateName, number> = {
  sigmoid: 4,
  atan: 2,
  triangle: 1,
  rectangle: 1,
  fastSigmoid: 25,
  piecewiseExp: 1,
  erf: 2,
}

export interface NeuronOptions {
  /** Membrane time constant in steps, > 1; default 1.25 (leak λ = 1 − 1/τ = 0.2, the paper's). */
  tau?: number
  /** Input divided by τ as well; default false. */
  decayInput?: boolean
  /** A neuron spikes when its potential is ≥ vThreshold (ties fire); default 1. */
  vThreshold?: number
  /** Default null: soft reset. */
  vReset?: number | null
  /** No gradient through the reset's spike; default true. */
  detachReset?: boolean
  /** Default 'sigmoid'. */
  surrogate?: SurrogateName
  /** Sharpness of the surrogate; the default is SpikingJelly's for it (sigmoid 4). */
  alpha?: number
}

const fixedTauOptions = ['vThreshold', 'vReset', 'detachReset', 'surrogate', 'alpha']

const neuronOptions = ['tau', 'decayInput', ...fixedTauOptions]

function neuron(name: string, tau: number, learnable: boolean, options: NeuronOptions): Neuron {
  const { vThreshold = 1, vReset = null, surrogate = 'sigmoid' } = options
  const surrogates = Object.keys(defaultAlpha)
  expect(
    surrogates.includes(surrogate),
    () => `${name}.surrogate must be one of ${surrogates.join(', ')}, got ${describe(surrogate)}`,
  )
  const { alpha = defaultAlpha[surrogate] } = options
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
  expect(
    Number.isFinite(alpha) && alpha > 0,
    () => `${name}.alpha must be > 0 and finite, got ${describe(alpha)}`,
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
 * Leaky integrate-and-fire neurons, any shape. u = v − (v − v0)/τ + I; spike when u ≥ vThreshold;
 * reset. Defaults are the paper's.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function lif(options: NeuronOptions = {}): Neuron {
  checkOptions('lif', options, neuronOptions)
  const { tau = 1.25 } = options
  return neuron('lif', tau, false, options)
}

/**
 * Integrate-and-fire neurons: no leak.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function integrateAndFire(options: Omit<NeuronOptions, 'tau' | 'decayInput'> = {}): Neuron {
  checkOptions('integrateAndFire', options, fixedTauOptions)
  return neuron('integrateAndFire', Number.POSITIVE_INFINITY, false, options)
}

/**
 * LIF neurons with a learnable time constant, 1/τ = σ(w), one parameter `w` a layer (Fang et al.
 * 2021); `tau` is where it starts. Method bptt only.
 * @throws SpikewasmError when an option is unknown or out of range.
 */
export function plif(options: NeuronOptions = {}): Neuron {
  checkOptions('plif', options, neuronOptions)
  const { tau = 2 } = options
  return neuron('plif', tau, true, options)
}

export const neuronKind: LayerKind<Neuron> = {
  ...sameShape,
  title: 'neurons',
  // 1/τ = σ(w)
  parameters: ({ learnable, tau }) =>
    learnable ? [{ name: 'w', shape: [], decays: false, initial: -Math.log(tau - 1) }] : [],
}
