/** Linear layers: convolutions whose kernel covers their whole input. */

import type { Linear } from '../../nn/layers/index.js'
import { weighted } from '../weighted.js'
import type { LayerPlan } from './layer.js'

export const linear: LayerPlan<Linear> = weighted
