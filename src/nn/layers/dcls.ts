/** Fully connected layers whose synapses have delays of their own, which are learnt. */

import { complete, integer, type Rules } from '../../base/rules.js'
import { overTime, placesOf } from '../../compile/emit/over-time.js'
import { vectorLayout } from '../../compile/layout.js'
import { defineLayer } from '../../compile/pass.js'
import {
  delayRules,
  type LearnDelayOptions,
  type LearntDelays,
  sigmas,
} from '../../network/delays.js'
import { count, layerOf, type OfKind } from '../../network/kind.js'
import { sizeOf } from '../../network/value.js'
import {
  expectFeatures,
  type LinearOptions,
  type Weighted,
  weightParameters,
  weightRules,
} from '../../network/weights.js'

/** Options of `dcls1d`; all but `maxDelay` have a default. */
export interface Dcls1dOptions extends LearnDelayOptions, Pick<LinearOptions, 'bias' | 'init'> {
  /** Synapses from each input to each output, DCLS's `kernel_count`; default 1. */
  kernelCount?: number
}

/** What `dcls1d` makes. */
export interface Dcls1d extends OfKind<'dcls1d'>, LearntDelays, Pick<Weighted, 'bias' | 'init'> {
  /** Numbers in. */
  readonly inChannels: number
  /** Numbers out. */
  readonly outChannels: number
  /** Synapses from each input to each output. */
  readonly kernelCount: number
}

const rules: Rules<Omit<Dcls1d, 'kind' | 'inChannels' | 'outChannels'>> = {
  ...delayRules,
  kernelCount: integer(1, 64, 1),
  bias: weightRules.bias,
  init: weightRules.init,
}

/**
 * Fully connected layer with a delay for each synapse, learnt with its weight (Hammouamri et al.,
 * ICLR 2024; `Dcls1d` of DCLS over the time steps): [inChannels] → [outChannels] with y_t = bias +
 * Σ weight · x_{t − delay}, zeros before the first step. A delay is a number of steps with a
 * fraction, 0 … `maxDelay`, and reads x between two steps as `interpolation` says.
 *
 * Parameters `weight` [outChannels, inChannels, kernelCount], `P` [1, outChannels, inChannels,
 * kernelCount], `bias` [outChannels], and with 'gauss' `SIG` of the shape of `P`, which is set and
 * not learnt; all as in DCLS with `dilated_kernel_size` maxDelay + 1. Positions count from the
 * middle backwards: delay = maxDelay − ⌊(maxDelay + 1) / 2⌋ − P. They begin evenly spread over all
 * delays, and a training step first moves those outside back to the nearest end.
 *
 * Method bptt trains it. Other methods learn from single steps or from means over them, which do
 * not see a delay, and are refused; each of them runs it forward.
 * @param inChannels numbers in, an integer ≥ 1
 * @param outChannels numbers out, an integer ≥ 1
 * @throws SpikewasmError when a size is not a positive integer, or an option is wrong or unknown
 */
export function dcls1d(
  inChannels: number,
  outChannels: number,
  options: Dcls1dOptions,
  ...more: []
): Dcls1d {
  count('dcls1d.inChannels', inChannels)
  count('dcls1d.outChannels', outChannels)
  return layerOf(kind, { inChannels, outChannels, ...complete('dcls1d', rules, options, more) })
}

/** The shape of weights and positions. */
const shapeOf = (of: Dcls1d) => [of.outChannels, of.inChannels, of.kernelCount]

const kind = defineLayer<Dcls1d>('dcls1d', {
  again: ({ inChannels, outChannels, ...options }) => dcls1d(inChannels, outChannels, options),
  output({ inChannels, outChannels }, x, where) {
    expectFeatures(where, x, inChannels)
    return [[outChannels, 1, 1], true]
  },
  parameters(layer) {
    const shape = shapeOf(layer)
    const fan = layer.inChannels * layer.kernelCount
    const [weight, ...bias] = weightParameters({ ...layer, standardise: false }, shape, fan)
    const initial = { uniform: layer.maxDelay / 2 }
    return [weight, { name: 'P', shape: [1, ...shape], decays: false, initial }, ...bias]
  },
  statistics: (layer) => sigmas(layer, [1, ...shapeOf(layer)]),
  layout: ({ shape }) => vectorLayout(shape, sizeOf(shape)),
  lower(pass, node, layer, x) {
    const [inputs, h, w] = x.shape
    const { outChannels: outputs, kernelCount, maxDelay } = layer
    const taps = maxDelay + 1
    const sizes = { outputs, inputs, pixels: h * w, count: kernelCount }
    const offset = Math.floor(taps / 2)
    const place = { position: 'P', offset, slope: 1, depthwise: false }
    return overTime(pass, node, { ...layer, ...place, places: placesOf(sizes, taps) }, x)
  },
})
