/** Temporal efficient training (Deng et al., ICLR 2022). */

import { LossWord } from '../opcodes'
import { losses } from './loss'

/** See `losses`, with m = MseWeight and w = Low for all classes. One unit. Scratch: none. */
export function tet(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const mean = <f64>load<f32>(rec, LossWord.Low * 4)
  losses(rec, t, <f64>load<f32>(rec, LossWord.MseWeight * 4), mean, mean)
}
