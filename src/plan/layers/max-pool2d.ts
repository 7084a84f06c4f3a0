/** Max pooling. */

import type { MaxPool2d } from '../../nn/layers/index.js'
import { maxPooled } from '../max-pooled.js'
import type { LayerPlan } from './layer.js'

export const maxPool2d: LayerPlan<MaxPool2d> = {
  lower: (pass, node, layer, x) => maxPooled(pass, node, layer, x),
}
