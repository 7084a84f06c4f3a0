/** Temporal efficient training (Deng et al., ICLR 2022). */

import { LossRecord } from '../generated/records'
import { losses } from './loss'

/** See `losses`, with m = MseWeight and w = Low for all classes. One unit. Scratch: none. */
export function tet(rec: LossRecord, unit: i32, t: i32, scratch: usize): void {
  const mean = <f64>rec.mean
  losses(rec, t, <f64>rec.lambda, mean, mean)
}
