/** Options of cells. */

import type { PerNeuron } from './numbers.js'
import type { SurrogateName } from './surrogates.js'

/** What of a cell can be a parameter. */
export type CellParameter = 'tau' | 'vThreshold' | 'tauSyn' | 'beta' | 'tauAdaptation'

/** Options of integrators that leak. */
export interface LeakyIntegratorOptions {
  /**
   * Membrane time constant τ in time steps, > 1, for all neurons, each channel or each neuron;
   * default 2.
   */
  tau?: PerNeuron
  /**
   * With it the input goes through a synaptic current i with this time constant: i ← i·(1 −
   * 1/tauSyn) + x. Default: none.
   */
  tauSyn?: PerNeuron
  /** Whether the input is divided by τ (and by tauSyn) as well; default false. */
  decayInput?: boolean
  /** What the input is multiplied with, for all neurons, each channel or each neuron; default 1. */
  inputScale?: PerNeuron
  /** Potential that the leak draws to; default 0. */
  vRest?: PerNeuron
  /** What is a parameter: 'tau', 'tauSyn'. Default: nothing. */
  learn?: readonly CellParameter[]
}

/** Options of spiking cells, those of `lif` that make it one included. */
export interface CellOptions {
  /**
   * Membrane time constant τ in time steps, > 1: a number, or one for each channel (length C) or
   * each neuron (length C·H·W, PyTorch's order). Infinity: no leak. Default 1.25 (`plif`: 2).
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
  /** Sharpness α of the surrogate, > 0; defaults as of `lif`. */
  alpha?: number
  /**
   * What is a parameter, one for the layer, each channel or each neuron as its numbers are. 'tau':
   * `w`, with 1/τ = σ(w). 'vThreshold': `v_threshold`. Default: nothing.
   */
  learn?: readonly CellParameter[]
}

/** Options of `cubaLif`. */
export interface CubaLifOptions extends CellOptions {
  /** Time constant of the synaptic current in time steps, > 1; default 2. */
  tauSyn?: PerNeuron
}

/** Options of `alif`. */
export interface AlifOptions extends CubaLifOptions {
  /** Time constant of the adaptation in time steps, > 1; default 20. */
  tauAdaptation?: PerNeuron
  /** What a unit of adaptation adds to the threshold, ≥ 0; default 0.2. */
  beta?: PerNeuron
}
