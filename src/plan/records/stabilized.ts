/** The threshold that follows the potentials of a layer. */

import { carries, copies, f32, number, reads, record, size, updates, writes } from './schema.js'

/** Sums of potentials before they fire; unit = pixelsPerUnit pixels. */
export const stabilizedSums = record('StabilizedSums', 151, copies, {
  /** float32 [P][C]: potentials before they fire. */
  charged: reads(4),
  pixels: number(5),
  channels: size(6),
  /** Channels without padding. */
  realChannels: number(7),
  pixelsPerUnit: number(8),
  /** f64 [Units][2]: sums of potentials and of their squares. */
  moments: writes(9),
})

/** The threshold of a step, from those sums; one unit. */
export const stabilizedThreshold = record('StabilizedThreshold', 152, copies, {
  pixels: number(5),
  /** Θ of the first step. */
  threshold: f32(12),
  realChannels: number(7),
  units: size(10),
  moments: reads(9),
  /**
   * f32 [2]: how many deviations above the mean the threshold is, and the threshold. Ratio and
   * threshold.
   */
  stability: carries(11),
  /** f32 [1], and its f32 share of a step. */
  runningThreshold: updates(13),
  share: f32(14),
})
