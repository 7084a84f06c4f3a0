/** Scaled weight standardisation and its gradient. */

import { copies, f32, number, reads, readsIf, record, updates, writes, writesIf } from './schema.js'

const shared = {
  weight: reads(4),
  /** float32 [N], or 0. */
  gain: readsIf(6),
  taps: number(7),
  /** Stored and real input channels. */
  inC: number(8),
  realC: number(9),
  blockWidth: number(10),
  kRows: number(11),
  epsilon: f32(12),
}

/** Scaled weight standardisation; unit = block of output channels. */
export const weightStandardise = record('WeightStandardise', 46, copies, {
  ...shared,
  out: writes(5),
})

/** Its gradient; unit = block of output channels. */
export const weightStandardiseBackward = record('WeightStandardiseBackward', 47, copies, {
  ...shared,
  /** Backward: gradient of w' (overwritten by that of w), gradient of the gain or 0. */
  gradient: updates(13),
  gainGradient: writesIf(14),
})
