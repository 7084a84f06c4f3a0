/** Spiking neurons whose threshold follows the potentials of their layer. */

import { checkArguments, checkOptions, describe, expect } from '../../errors.js'
import { type Cell, cellOf } from './cell.js'
import { type LayerKind, sameShape } from './kind.js'
import type { NeuronModel } from './neuron-model.js'
import { chargeAlone, presetOf } from './presets.js'
import type { SurrogateName } from './surrogates.js'

/** What `stabilizedLif` makes. */
export interface StabilizedLif {
  /** Tells this layer from others. */
  readonly kind: 'stabilizedLif'
  /** Membrane time constant τ in time steps. */
  readonly tau: number
  /** Whether the input is divided by τ as well. */
  readonly decayInput: boolean
  /** Threshold θ of the first step. */
  readonly vThreshold: number
  /** Potential after a spike (hard reset), or null: the threshold is subtracted (soft reset). */
  readonly vReset: number | null
  /** What stands in for the derivative of a spike. */
  readonly surrogate: SurrogateName
  /** Sharpness α of the surrogate. */
  readonly alpha: number
  /** Share of a batch in the running threshold, 0…1. */
  readonly momentum: number
}

/** Options of `stabilizedLif`; each has a default. */
export interface StabilizedLifOptions {
  /** Membrane time constant τ in time steps, > 1; default 2, the authors'. */
  tau?: number
  /** Whether the input is divided by τ as well; default false. */
  decayInput?: boolean
  /** Threshold θ of the first step, > 0; default 1. */
  vThreshold?: number
  /**
   * Potential after a spike, < vThreshold (hard reset). Default null: the threshold is subtracted
   * (soft reset).
   */
  vReset?: number | null
  /** What stands in for the derivative of a spike; default 'sigmoid'. */
  surrogate?: SurrogateName
  /** Sharpness α of the surrogate, > 0; defaults as those of `lif`. */
  alpha?: number
  /**
   * Share of a batch in the running threshold, 0…1; each step moves it by momentum/T. Default 0.1.
   */
  momentum?: number
}

export const stabilizedOptions = [
  'tau',
  'decayInput',
  'vThreshold',
  'vReset',
  'surrogate',
  'alpha',
  'momentum',
] as const

/**
 * LIF neurons with an online threshold stabiliser, for method 'os' (Zhu, Ding, Huang, Xie, Yu:
 * Online Stabilization of Spiking Neural Networks, ICLR 2024): [C, H, W] → [C, H, W], spikes 0 or
 * 1. They charge and reset as `lif`; the threshold of step t is
 *
 *     θ_t = μ_t + σ_t · (θ − μ_0) / σ_0,   θ_0 = θ = vThreshold
 *
 * with mean and deviation (n − 1) of the layer's potentials before firing, over the samples of the
 * batch and the neurons. Where all potentials are equal at the first step it stays θ. No gradient
 * goes through a threshold.
 *
 * Evaluation and prediction fire at the running statistic `running_threshold` [1], which starts at
 * θ, so that the prediction of a sample does not depend on others (`fixed_test_threshold` of the
 * authors' code). Training needs method 'os'.
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function stabilizedLif(options: StabilizedLifOptions = {}, ...more: []): StabilizedLif {
  checkArguments('stabilizedLif', more)
  checkOptions('stabilizedLif', options, stabilizedOptions)
  const { tau = 2, momentum = 0.1, ...others } = options
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum <= 1,
    () => `stabilizedLif.momentum must lie in 0…1, got ${describe(momentum)}`,
  )
  const cell = cellOf('lif', { ...others, tau }, 'stabilizedLif')
  for (const key of ['tau', 'vThreshold', 'vReset'] as const)
    expect(
      !Array.isArray(cell[key]),
      () => `stabilizedLif.${key} must be one number for all neurons, got ${describe(cell[key])}`,
    )
  const { decayInput, vThreshold, vReset, surrogate, alpha } = cell
  const of = { tau, decayInput, vThreshold, vReset, surrogate, alpha }
  return { kind: 'stabilizedLif', ...of, momentum } as StabilizedLif
}

const cellOfLayer = ({ kind: _, momentum: __, ...options }: StabilizedLif): Cell =>
  cellOf('lif', options)

/** Neurons of a stabilised layer; something else says what `vThreshold` is. */
export const stabilizedModel = (layer: StabilizedLif): NeuronModel => presetOf(cellOfLayer(layer))

/** Their potential before they fire. */
export const stabilizedCharge = (layer: StabilizedLif): NeuronModel =>
  chargeAlone(cellOfLayer(layer))

export const stabilizedLifKind: LayerKind<StabilizedLif> = {
  ...sameShape,
  again: (options) => stabilizedLif(options),
  model: stabilizedModel,
  spikes: () => true,
  statistics: ({ vThreshold }) => [{ name: 'running_threshold', shape: [1], initial: vThreshold }],
}
