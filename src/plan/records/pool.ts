/** Max pooling of spikes and of floats, adaptive average pooling, and their gradients. */

import {
  carriesIf,
  copies,
  flag,
  flagIf,
  number,
  perByte,
  reads,
  readsIf,
  record,
  size,
  writes,
  writesIf,
} from './schema.js'

const window = {
  images: number(12),
  /** Size of the pooled tensor, C and size of the source. Backward the other way round. */
  height: number(13),
  width: number(14),
  channels: number(15),
  /** Steps of one call. */
  steps: number(11),
  sourceH: number(16),
  sourceW: number(17),
  kernelH: number(18),
  kernelW: number(19),
  strideH: number(20),
  strideW: number(21),
  padH: number(22),
  padW: number(23),
  pixelsPerUnit: number(24),
  in: reads(7),
  /** Masks, or floats [P][T][C]. */
  out: writes(4),
}

/** Max pooling of spikes: OR of masks; unit = chunk of pixels. */
export const maxPool = record('MaxPool', 41, perByte(0.5), {
  ...window,
  planeBytes: size(9),
  inPlaneBytes: size(10),
  /**
   * Counts u8 [source pixels][C] that decide the choice. Of floats: float32 [source pixels][C]
   * whose largest value does; 0: In itself. By which the choice is made, unless it is made at each
   * step.
   */
  inCounts: readsIf(8),
  /** Counts u8 [P][C]. */
  counts: carriesIf(5),
  /** Chosen window position u8 [P][C] (rate) or [P][T][C] (through time), or 0. */
  choice: writesIf(6),
  /** Non-zero: choose at each step (through time) and not by the rate. */
  choicePerStep: flag(25),
  /** Non-zero: t is the step of an outer loop, counts add up over it. */
  loop: flag(26),
  /** Non-zero: counts are the highest InCounts of windows, and not those of Out's spikes. */
  countsOfRates: flagIf(27),
})

/** Max pooling of floats [P][T][C]; unit = chunk of pixels. */
export const maxPoolFloats = record('MaxPoolFloats', 56, copies, {
  ...window,
  /** Sums over time, by which the choice is made; without them by `in`, at each step. */
  chooser: readsIf(8),
  choice: writesIf(6),
})

/** Gradient of max pooling, to the chosen positions; unit = chunk of source pixels. */
export const maxPoolBackward = record('MaxPoolBackward', 48, perByte(0.2), {
  ...window,
  choice: reads(6),
  choicePerStep: flag(25),
})

const adaptive = {
  /** float32 [B][H][W][T][C], of its own height and width. */
  in: reads(4),
  out: writes(5),
  images: number(6),
  /** For the layer's input. */
  inH: number(7),
  inW: number(8),
  /** For the layer's output. */
  outH: number(9),
  outW: number(10),
  channels: number(11),
  steps: number(12),
  pixelsPerUnit: number(13),
}

/** Means over windows of unequal sizes; unit = chunk of pixels of Out. */
export const adaptivePool = record('AdaptivePool', 121, copies, adaptive)
/** Its gradient; unit = chunk of pixels of Out. */
export const adaptivePoolBackward = record('AdaptivePoolBackward', 122, copies, adaptive)
