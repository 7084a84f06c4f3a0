/** Convolutions. */

import type { Conv2d } from '../../nn/layers/index.js'
import { weighted } from '../weighted.js'
import type { LayerPlan } from './layer.js'

export const conv2d: LayerPlan<Conv2d> = {
  ...weighted,
  pixels: ({ kernelSize }) => kernelSize[1],
}
