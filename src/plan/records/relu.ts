/** max(0, x), and its gradient. */

import { carriesIf, copies, f32, number, reads, readsIf, record, size, writes } from './schema.js'

export const reluForward = record('Relu', 57, copies, {
  /** float32 [P][T][C]; Out may be In. */
  in: reads(4),
  out: writes(5),
  /** Bytes [P][C]: at how many steps Out is above 0; or 0. */
  counts: carriesIf(6),
  pixels: number(7),
  channels: size(8),
  steps: size(9),
  pixelsPerUnit: number(10),
})

/** Its gradient; unit = chunk of pixels. */
export const reluBackward = record('ReluBackward', 58, copies, {
  /** float32 [P][T][C]. */
  delta: reads(4),
  /** float32 [P][T][C]: the output, where there are no Counts. */
  activity: readsIf(5),
  /** Bytes [P][C], or 0. */
  counts: readsIf(6),
  out: writes(7),
  pixels: number(8),
  channels: size(9),
  /** Rows of a pixel: of Delta, Activity and Out. */
  steps: size(10),
  pixelsPerUnit: number(11),
  /** What Counts are multiplied by, one over the number of steps. */
  factor: f32(12),
})
