/** Average pooling of series. */

import type { AvgPool1d } from '../../nn/layers/index.js'
import { windowsOfSeries } from '../../nn/layers/window.js'
import { pooled } from '../pooled.js'
import type { LayerPlan } from './layer.js'

export const avgPool1d: LayerPlan<AvgPool1d> = {
  lower: (pass, node, layer, x) => pooled(pass, node, x, windowsOfSeries(layer)),
}
