/** Layer normalisation: one group of all channels, with parameters for each neuron. */

import type { LayerNorm } from '../../nn/layers/index.js'
import { groupNormalised } from '../group-norm.js'
import { neuronLayout } from '../layout.js'
import type { LayerPlan } from './layer.js'

export const layerNorm: LayerPlan<LayerNorm> = {
  layout: ({ shape }, graph, node) => neuronLayout(shape, graph.nodes[node.inputs[0]].shape),
  lower: (pass, node, { eps }, x) =>
    groupNormalised(pass, node, { groups: 1, eps, byNeuron: true }, x),
}
