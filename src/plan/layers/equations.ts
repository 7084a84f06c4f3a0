/** Neurons from equations. */

import { equationsModel } from '../../nn/layers/equations.js'
import type { Equations } from '../../nn/layers/index.js'
import { lowerNeurons, parameterLayout } from '../neurons.js'
import type { LayerPlan } from './layer.js'

export const equations: LayerPlan<Equations> = {
  layout: (parameter, graph, node) => parameterLayout(parameter, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, layer, x) => lowerNeurons(pass, node, equationsModel(layer), x),
}
