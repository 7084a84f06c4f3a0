/** Mean squared error, of wanted numbers or of rates that follow from the label. */

import { LossWord } from '../opcodes'
import { losses } from './loss'

/** See `losses`, with m = 1, low = Low, high = High. One unit. Scratch: none. */
export function meanSquaredError(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const low = <f64>load<f32>(rec, LossWord.Low * 4)
  losses(rec, t, 1, low, <f64>load<f32>(rec, LossWord.High * 4))
}
