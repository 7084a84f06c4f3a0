/** Average pooling of series to a given length. */

import type { AdaptiveAvgPool1d } from '../../nn/layers/index.js'
import { adaptivelyPooled } from '../adaptive.js'
import type { LayerPlan } from './layer.js'

export const adaptiveAvgPool1d: LayerPlan<AdaptiveAvgPool1d> = {
  lower: (pass, node, { outputSize }, x) => adaptivelyPooled(pass, node, x, [1, outputSize]),
}
