/** Sums of tensors written out as floats. */

import {
  entries,
  entry,
  type FieldsOf,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  perByte,
  readsIf,
  readsInputIf,
  record,
  sizeIf,
  writes,
} from './schema.js'

export const term = entry(128, {
  /** A `TermKind`. */
  kind: number(0),
  scale: f32(10),
  sourceH: number(11),
  sourceW: number(12),
  kernelH: number(13),
  kernelW: number(14),
  strideH: number(15),
  strideW: number(16),
  padH: number(17),
  padW: number(18),
  /** Float data, or masks. Floats, or masks; a mean of spikes reads counts alone. */
  address: readsInputIf(1),
  counts: readsIf(2),
  planeBytes: sizeIf(3),
  indirect: flagIf(19),
  /** Channels that the term has (fewer than C when it is the unpadded input). */
  channels: numberIf(20),
  pixelBytes: sizeIf(4),
  /** Bytes between steps; 0: the same at every step. */
  stepBytes: sizeIf(5),
  /** Bytes between steps of a loop over t outside, from the first step of one call to the next. */
  loopBytes: sizeIf(21),
  /** Steps that a float term has (1: static). */
  steps: numberIf(6),
  scaleVector: readsIf(7),
  shiftVector: readsIf(8),
  groupBytes: sizeIf(9),
})
export type TermFields = FieldsOf<typeof term>

/**
 * A sum of terms (currents with affine maps, pooled spikes) written out as floats; unit = chunk of
 * pixels.
 */
export const materialise = record('Materialise', 40, perByte(0.05), {
  /** [P][T][C] float32. */
  out: writes(4),
  images: number(5),
  height: number(6),
  width: number(7),
  channels: number(8),
  steps: number(9),
  pixelsPerUnit: number(10),
  /** Table of terms. */
  terms: entries(11, term),
  termCount: number(12),
  /** 0: spikes at each step; 1: time means (counts / T, mean of floats over their steps). */
  mean: flag(13),
  /** Steps over which counts run. */
  totalSteps: number(14),
  /** Counts whose sum 16 bits hold. */
  mostCounted: number(15),
})
