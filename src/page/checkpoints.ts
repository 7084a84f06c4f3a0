/** In a page this stands for `plan/checkpoints.ts`. */

import type * as checkpoints from '../plan/checkpoints.js'
import { remaking } from './parts.js'

export const remake: typeof checkpoints.remake = (...of) => remaking()(...of)
