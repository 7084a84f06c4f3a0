/** Flattening: the values stay where they are, only their shape is another. */

import type { Flatten } from '../../nn/layers/index.js'
import type { LayerPlan } from './layer.js'

export const flatten: LayerPlan<Flatten> = {
  lower: (_pass, node, _layer, x) => ({ ...x, shape: node.shape }),
}
