/** Sums over windows of series. */

import type { SumPool1d } from '../../nn/layers/index.js'
import { windowsOfSeries } from '../../nn/layers/window.js'
import { pooled } from '../pooled.js'
import type { LayerPlan } from './layer.js'

export const sumPool1d: LayerPlan<SumPool1d> = {
  lower: (pass, node, layer, x) => pooled(pass, node, x, windowsOfSeries(layer), 1),
}
