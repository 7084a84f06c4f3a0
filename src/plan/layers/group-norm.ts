/** Group normalisation. */

import type { GroupNorm } from '../../nn/layers/index.js'
import { groupNormalised } from '../group-norm.js'
import type { LayerPlan } from './layer.js'

export const groupNorm: LayerPlan<GroupNorm> = {
  lower: (pass, node, { groups, eps }, x) =>
    groupNormalised(pass, node, { groups, eps, affine: 'channel', runs: 1 }, x),
}
