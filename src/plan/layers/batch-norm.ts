/** Batch normalisation. */

import type { BatchNorm2d } from '../../nn/layers/index.js'
import { batchNormalised } from '../batch-norm.js'
import type { LayerPlan } from './layer.js'

export const batchNorm2d: LayerPlan<BatchNorm2d> = batchNormalised
