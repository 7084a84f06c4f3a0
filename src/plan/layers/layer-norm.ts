/**
 * Layer normalisation. Of a sample: one group of all channels, with parameters for each neuron. Of
 * each channel: as many groups, with parameters for each pixel. Of each row: the same, and a row is
 * what an image is else.
 */

import type { LayerNorm } from '../../nn/layers/index.js'
import { normalisedTogether } from '../../nn/layers/layer-norm.js'
import { sizeOf } from '../../nn/value.js'
import { groupNormalised } from '../group-norm.js'
import { neuronLayout, storedChannels, vectorLayout } from '../layout.js'
import type { LayerPlan } from './layer.js'

export const layerNorm: LayerPlan<LayerNorm> = {
  layout({ shape }, graph, node) {
    const input = graph.nodes[node.inputs[0]]
    if (normalisedTogether(shape, input) === 'sample') return neuronLayout(shape, input.shape)
    return vectorLayout(shape, sizeOf(shape))
  },
  lower(pass, node, { shape, eps }, x) {
    const together = normalisedTogether(shape, node)
    if (together === 'sample')
      return groupNormalised(pass, node, { groups: 1, eps, affine: 'neuron', runs: 1 }, x)
    const [groups, height] = node.shape
    const affine = { pixels: storedChannels(sizeOf(shape)) }
    const runs = together === 'row' ? height : 1
    return groupNormalised(pass, node, { groups, eps, affine, runs }, x)
  },
}
