/** Options of cells. */

import type { PerNeuron } from './numbers.js'
import type { SurrogateName } from './surrogates.js'

/** What of a cell can be a parameter. */
export type CellParameter = 'tau' | 'vThreshold' | 'tauSyn' | 'beta' | 'tauAdaptation'

/** Options of `lif`, `plif` and, but for `tau` and `decayInput`, `integrateAndFire`. */
export interface CellOptions {
  /**
   * Membrane time constant τ in time steps, > 1: a number, or one for each channel (length C) or
   * each neuron (length C·H·W, PyTorch's order). Infinity: no leak. `lif` starts at 1.25, the
   * paper's: a share λ = 1 − 1/τ = 0.2 of the potential is left after a step; others at 2.
   */
  tau?: PerNeuron
  /** Whether the input is divided by τ (and by tauSyn) as well; default false. */
  decayInput?: boolean
  /** Threshold, > 0: a number, or one for each channel or neuron; default 1. */
  vThreshold?: PerNeuron
  /**
   * Potential after a spike, < vThreshold (hard reset): a number, or one for each channel or
   * neuron. Default null: the threshold is subtracted (soft reset).
   */
  vReset?: PerNeuron | null
  /** Potential that the leak draws to; default vReset, or 0 where that is null. */
  vRest?: PerNeuron
  /** What the input is multiplied with, for all neurons, each channel or each neuron; default 1. */
  inputScale?: PerNeuron
  /**
   * 'atOrAbove': a neuron spikes when its potential is ≥ the threshold. 'above': only when it is >.
   * Default 'atOrAbove'.
   */
  fires?: 'atOrAbove' | 'above'
  /** After a spike a neuron neither charges nor spikes for so many steps, 0 … 4096; default 0. */
  refractory?: number
  /** Whether no gradient passes through the spike of the reset; default true. */
  detachReset?: boolean
  /** What stands in for the derivative of a spike; default 'sigmoid'. */
  surrogate?: SurrogateName
  /**
   * Sharpness α of the surrogate, > 0. Defaults: sigmoid 4, atan 2, triangle 1, rectangle 1,
   * fastSigmoid 25, piecewiseExp 1, erf 2.
   */
  alpha?: number
  /**
   * What is a parameter, one for the layer, each channel or each neuron as its numbers are. 'tau':
   * `w`, with 1/τ = σ(w). 'vThreshold': `v_threshold`. Default: nothing.
   */
  learn?: readonly CellParameter[]
}

/** The options of these neurons that are the same for all of a layer. */
export interface NeuronOptions
  extends Pick<CellOptions, 'decayInput' | 'detachReset' | 'surrogate' | 'alpha'> {
  /** Membrane time constant τ in time steps, > 1; `lif` starts at 1.25, `plif` at 2. */
  tau?: number
  /** A neuron spikes when its potential is ≥ vThreshold (ties fire); default 1. */
  vThreshold?: number
  /**
   * Potential after a spike, < vThreshold (hard reset). Default null: the threshold is subtracted
   * (soft reset).
   */
  vReset?: number | null
}

/** Options of `cubaLif`. */
export interface CubaLifOptions extends CellOptions {
  /**
   * Time constant of the synaptic current i in time steps, > 1: i ← i·(1 − 1/tauSyn) + x. Default 2
   * for `cubaLif`; others have no such current without it.
   */
  tauSyn?: PerNeuron
}

/** Options of `alif`. */
export interface AlifOptions extends CubaLifOptions {
  /** Time constant of the adaptation in time steps, > 1; default 20. */
  tauAdaptation?: PerNeuron
  /** What a unit of adaptation adds to the threshold, ≥ 0; default 0.2. */
  beta?: PerNeuron
}

/** Options of integrators that leak. */
export type LeakyIntegratorOptions = Pick<
  CubaLifOptions,
  'tau' | 'tauSyn' | 'decayInput' | 'inputScale' | 'vRest' | 'learn'
>
