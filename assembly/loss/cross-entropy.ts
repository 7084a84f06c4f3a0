/** Cross entropy, alone or mixed with the squared distance from the one-hot target. */

import { LossWord } from '../opcodes'
import { losses } from './loss'

/** See `losses`, with m = MseWeight and w = onehot. One unit. Scratch: none. */
export function crossEntropy(rec: usize, unit: i32, t: i32, scratch: usize): void {
  losses(rec, t, <f64>load<f32>(rec, LossWord.MseWeight * 4), 0, 1)
}
