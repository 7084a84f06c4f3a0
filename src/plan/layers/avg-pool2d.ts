/** Average pooling. */

import type { AvgPool2d } from '../../nn/layers/index.js'
import { pooled } from '../pooled.js'
import type { LayerPlan } from './layer.js'

export const avgPool2d: LayerPlan<AvgPool2d> = {
  lower: (pass, node, layer, x) => pooled(pass, node, x, layer),
}
