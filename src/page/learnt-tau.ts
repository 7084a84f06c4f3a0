/** In a page this stands for `plan/learnt-tau.ts`. */

import type { Cells } from './parts.js'
import { cellsFor } from './parts.js'

export const lowerLearntTau: Cells['lowerLearntTau'] = (...of) =>
  cellsFor('plif() layers').lowerLearntTau(...of)
