/** Sums over windows. */

import type { SumPool2d } from '../../nn/layers/index.js'
import { pooled } from '../pooled.js'
import type { LayerPlan } from './layer.js'

export const sumPool2d: LayerPlan<SumPool2d> = {
  lower: (pass, node, layer, x) => pooled(pass, node, x, layer, 1),
}
