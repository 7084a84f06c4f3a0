/** Average pooling to a given size. */

import type { AdaptiveAvgPool2d } from '../../nn/layers/index.js'
import { adaptivelyPooled } from '../adaptive.js'
import type { LayerPlan } from './layer.js'

export const adaptiveAvgPool2d: LayerPlan<AdaptiveAvgPool2d> = {
  lower: (pass, node, { outputSize }, x) => adaptivelyPooled(pass, node, x, outputSize),
}
