/** Average pooling to a given size. */

import type { AdaptiveAvgPool2d, Pair } from '../../nn/layers/index.js'
import { pooled } from '../pooled.js'
import type { LayerPlan } from './layer.js'

export const adaptiveAvgPool2d: LayerPlan<AdaptiveAvgPool2d> = {
  lower(pass, node, { outputSize }, x) {
    const kernelSize: Pair = [x.shape[1] / outputSize[0], x.shape[2] / outputSize[1]]
    return pooled(pass, node, x, { kernelSize, stride: kernelSize, padding: [0, 0] })
  },
}
