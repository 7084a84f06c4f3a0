/** Dropout of spikes and of floats, which is its own backward. */

import { copies, f32, number, reads, record, size, writes } from './schema.js'

const shared = {
  in: reads(5),
  out: writes(4),
  pixels: number(10),
  channels: number(11),
  steps: number(12),
  pixelsPerUnit: number(13),
  /** Probability of dropping. */
  probability: f32(14),
  /** Stream of random numbers. */
  stream: number(15),
}

/** Spikes of the neurons that dropout keeps; unit = chunk of pixels. */
export const dropout = record('Dropout', 44, copies, {
  ...shared,
  inCounts: reads(7),
  /** Counts u8 [P][C], of spikes alone. */
  counts: writes(6),
  planeBytes: size(8),
  inPlaneBytes: size(9),
})

/** Dropout of floats, and the gradient behind any dropout; unit = chunk of pixels. */
export const dropoutFloats = record('DropoutFloats', 49, copies, shared)
