/** Mean squared error, of wanted numbers or of rates that follow from the label. */

import { LossRecord } from '../generated/records'
import { losses } from './loss'

/** See `losses`, with m = 1, low = Low, high = High. One unit. Scratch: none. */
export function meanSquaredError(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  const low = <f64>rec.low
  losses(rec, t, 1, low, <f64>rec.high)
}
