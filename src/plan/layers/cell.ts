/** Cells: neurons with a state and constants of their own. */

import type { Cell } from '../../nn/layers/index.js'
import { neuronModel } from '../../nn/layers/presets.js'
import { lowerNeurons, parameterLayout } from '../neurons.js'
import type { LayerPlan } from './layer.js'

export const cell: LayerPlan<Cell> = {
  layout: (parameter, graph, node) => parameterLayout(parameter, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, layer, x) => lowerNeurons(pass, node, neuronModel(layer), x),
}
