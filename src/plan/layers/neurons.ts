/** Neurons as equations say, of presets or of texts. */

import type { Cell, Equations } from '../../nn/layers/index.js'
import { kindOf } from '../../nn/layers/kinds.js'
import type { NeuronModel } from '../../nn/layers/neuron-model.js'
import { lowerNeurons, parameterLayout } from '../neurons.js'
import type { LayerPlan } from './layer.js'

export const neurons: LayerPlan<Cell | Equations> = {
  layout: (parameter, graph, node) => parameterLayout(parameter, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, layer, x) =>
    lowerNeurons(pass, node, kindOf(layer).model?.(layer) as NeuronModel, x),
}
