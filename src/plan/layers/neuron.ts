/** Spiking neurons: up to two currents and one layer's spikes in, spikes out. */

import type { Neuron } from '../../nn/layers/index.js'
import { neuronModel } from '../../nn/layers/presets.js'
import { lowerNeurons } from '../neurons.js'
import type { LayerPlan } from './layer.js'

export const neuron: LayerPlan<Neuron> = {
  lower: (pass, node, layer, x) => lowerNeurons(pass, node, neuronModel(layer), x),
}
