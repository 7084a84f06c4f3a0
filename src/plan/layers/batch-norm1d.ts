/** Batch normalisation of series and features. */

import type { BatchNorm1d } from '../../nn/layers/index.js'
import { batchNormalised } from '../batch-norm.js'
import type { LayerPlan } from './layer.js'

export const batchNorm1d: LayerPlan<BatchNorm1d> = batchNormalised
