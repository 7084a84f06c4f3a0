/** Spiking neurons whose threshold follows the potentials of their layer. */

import { checkOptions, describe, fail } from '../../base/errors.js'
import { checkBy, range } from '../../base/rules.js'
import { inUnits } from '../../compile/budgets.js'
import { emitNeurons, type NeuronScope, type Neurons } from '../../compile/emit/neuron-record.js'
import { lowerNeurons } from '../../compile/emit/neurons.js'
import { storedChannels } from '../../compile/layout.js'
import { quoteMethodsWith } from '../../compile/methods.js'
import { defineLayer } from '../../compile/pass.js'
import { stabilizedSums, stabilizedThreshold } from '../../kernels/records/neuron.js'
import type { FieldsOf, Place } from '../../kernels/records/schema.js'
import { ref } from '../../kernels/records/words.js'
import { type Cell, cellOf, type NeuronOptions } from '../../network/cell.js'
import { layerOf, type NeuronModel, type OfKind, sameShape } from '../../network/kind.js'
import { chargeAlone, presetOf } from '../../network/presets.js'

/** Options of `stabilizedLif`; each has a default. */
export interface StabilizedLifOptions
  extends Omit<NeuronOptions, 'tau' | 'vThreshold' | 'detachReset'> {
  /** Membrane time constant τ in time steps, > 1; default 2, the authors'. */
  tau?: number
  /** Threshold θ of the first step, > 0; default 1. */
  vThreshold?: number
  /**
   * Share of a batch in the running threshold, 0…1; each step moves it by momentum/T. Default 0.1.
   */
  momentum?: number
}

/** What `stabilizedLif` makes. */
export interface StabilizedLif
  extends OfKind<'stabilizedLif'>,
    Readonly<Required<StabilizedLifOptions>> {}

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
  checkOptions('stabilizedLif', options, stabilizedOptions)
  const { tau = 2, momentum = 0.1, ...others } = options
  checkBy('stabilizedLif.momentum', range('0…1'), momentum)
  const cell = cellOf('lif', { ...others, tau }, 'stabilizedLif')
  for (const key of ['tau', 'vThreshold', 'vReset'] as const)
    if (Array.isArray(cell[key]))
      fail(`stabilizedLif.${key} must be one number for all neurons, got ${describe(cell[key])}`)
  const { decayInput, vThreshold, vReset, surrogate, alpha } = cell
  const of = { tau, decayInput, vThreshold, vReset, surrogate, alpha, momentum }
  return layerOf(stabilizedLifKind, of as StabilizedLif, more)
}

const cellOfLayer = ({ kind: _, momentum: __, ...options }: StabilizedLif): Cell =>
  cellOf('lif', options)

/** Neurons of a stabilised layer; something else says what `vThreshold` is. */
export const stabilizedModel = (layer: StabilizedLif): NeuronModel => presetOf(cellOfLayer(layer))

/** Their potential before they fire. */
const stabilizedCharge = (layer: StabilizedLif): NeuronModel => chargeAlone(cellOfLayer(layer))

const stabilizedLifKind = defineLayer<StabilizedLif>('stabilizedLif', {
  ...sameShape,
  again: (options) => stabilizedLif(options),
  model: stabilizedModel,
  spikes: () => true,
  statistics: ({ vThreshold }) => [{ name: 'running_threshold', shape: [1], initial: vThreshold }],
  lower(pass, node, layer, x) {
    const { context, options, training } = pass
    const { method } = context
    if (training && !method.stabilizes)
      fail(
        `${node.name} (stabilizedLif): its threshold follows the potentials of each step, which ` +
          `needs method ${quoteMethodsWith(({ stabilizes }) => stabilizes)}, got ` +
          `'${options.method}'; use lif() with this method`,
      )
    const runningThreshold = context.statistic(node.index, 'running_threshold')
    const stability = training ? pass.carried(`${node.name} threshold`, 8, 'statistics') : undefined
    const places = new Map([['vThreshold', stability ? ref(stability, 4) : runningThreshold]])
    const share = layer.momentum / options.timeSteps
    return lowerNeurons(pass, node, stabilizedModel(layer), x, {
      places,
      emit(neurons, state) {
        if (stability && state)
          emitStabilized(pass, neurons, state, { layer, stability, runningThreshold, share })
      },
    })
  },
})

/** A layer, and where its thresholds are. */
export interface Stabilized
  extends Pick<FieldsOf<typeof stabilizedThreshold>, 'runningThreshold' | 'stability' | 'share'> {
  readonly layer: StabilizedLif
}

/** One step: potentials before they fire, their sums, and the threshold. */
export function emitStabilized(
  scope: NeuronScope,
  neurons: Neurons,
  state: Place,
  { layer, runningThreshold, stability, share }: Stabilized,
): void {
  const { b } = scope
  const { name, shape } = neurons
  const channels = storedChannels(shape[0])
  const pixels = scope.images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, channels)
  const charged = b.buffer(`${name} potentials`, pixels * channels * 4)
  const moments = b.buffer(`${name} potential sums`, units * 16)
  const charge = { ...neurons, model: stabilizedCharge(layer), parameters: new Map() }
  emitNeurons(scope, charge, { out: charged }, () => state)
  const shared = { moments, pixels, realChannels: shape[0] }
  b.emit(stabilizedSums, units, { ...shared, charged, channels, pixelsPerUnit })
  const threshold = { threshold: layer.vThreshold, units, stability, runningThreshold, share }
  b.emit(stabilizedThreshold, 1, { ...shared, ...threshold })
}
