/** A layer that does nothing. */

import type { Identity } from '../../nn/layers/index.js'
import type { LayerPlan } from './layer.js'

export const identity: LayerPlan<Identity> = {
  lower: (_pass, node, _layer, x) => ({ ...x, shape: node.shape }),
}
