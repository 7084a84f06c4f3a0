/** Max pooling of series. */

import type { MaxPool1d } from '../../nn/layers/index.js'
import { windowsOfSeries } from '../../nn/layers/window.js'
import { maxPooled } from '../max-pooled.js'
import type { LayerPlan } from './layer.js'

export const maxPool1d: LayerPlan<MaxPool1d> = {
  lower: (pass, node, layer, x) => maxPooled(pass, node, windowsOfSeries(layer), x),
}
