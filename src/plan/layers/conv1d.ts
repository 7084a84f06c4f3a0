/** Convolutions of series: those of images of one row. */

import type { Conv1d, Conv2d } from '../../nn/layers/index.js'
import { windowsOfSeries } from '../../nn/layers/window.js'
import { weighted } from '../weighted.js'
import type { LayerPlan } from './layer.js'

const ofImages = (layer: Conv1d): Conv2d => ({
  ...layer,
  ...windowsOfSeries(layer),
  kind: 'conv2d',
})

export const conv1d: LayerPlan<Conv1d> = {
  layout: weighted.layout,
  pixels: ({ kernelSize }) => kernelSize,
  lower: (pass, node, layer, x) => weighted.lower(pass, node, ofImages(layer), x),
}
