/** Cross entropy, alone or mixed with the squared distance from the one-hot target. */

import { LossRecord } from '../generated/records'
import { losses } from './loss'

/** See `losses`, with m = MseWeight and w = onehot. One unit. Scratch: none. */
export function crossEntropy(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  losses(rec, t, <f64>rec.mseWeight, 0, 1)
}
