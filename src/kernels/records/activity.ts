/** Sums of tensors written out as floats. */

import {
  carries,
  carriesIf,
  copies,
  entries,
  entry,
  type FieldsOf,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  perByte,
  reads,
  readsIf,
  readsInput,
  readsInputIf,
  record,
  size,
  sizeIf,
  updates,
  writes,
  writesIf,
} from './schema.js'
import { source } from './spikes.js'

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

// Counts of what layers with weights read.

const counts = {
  /** u32 [pixels of an image][C]: counts go on from what is there. */
  out: updates(4),
  /** u32 [units]: 1 once a value has come that is neither 0 nor ±1. */
  others: updates(5),
  images: number(6),
  /** Pixels of an image, and its width. */
  pixels: number(7),
  channels: size(9),
  /** Steps of one call. */
  steps: number(10),
  pixelsPerUnit: number(11),
}

/** Counts steps at which inputs that are spikes are not 0; unit = chunk of pixels. */
export const activeSpikes = record(
  'ActiveSpikes',
  140,
  copies,
  {
    ...counts,
    /** What a byte counts before it is added to Out. */
    mostCounted: number(28),
    width: number(8),
    /** Table of sources. */
    sources: entries(17, source),
    sourceCount: number(18),
    planeBytes: size(19),
    sourceH: number(20),
    sourceW: number(21),
    kernelH: number(22),
    kernelW: number(23),
    strideH: number(24),
    strideW: number(25),
    padH: number(26),
    padW: number(27),
  },
  ({ pixelsPerUnit, channels }) => pixelsPerUnit * channels + 16,
)

/** The same of inputs that are floats. */
export const activeFloats = record('ActiveFloats', 141, copies, {
  ...counts,
  in: readsInput(12),
  /** Non-zero: In is the address of a word that holds the address. */
  indirect: flag(13),
  pixelBytes: size(14),
  /** Bytes between steps; 0: the same at every step. */
  stepBytes: size(15),
  /** Bytes between steps of a loop over t outside. */
  loopBytes: size(16),
})

/** The spikes of a call among those of all steps; unit = chunk of bytes. Spikes of all calls. */
export const recordSpikes = record('RecordSpikes', 142, copies, {
  /** Masks u8 of a call [plane][planeBytes]. */
  in: reads(4),
  /** Masks u8 of all steps [plane][planeBytes]. */
  out: carries(5),
  /** Bytes of a plane. */
  planeBytes: size(6),
  bytesPerUnit: size(7),
  /** Steps of one call. */
  steps: number(8),
})

// max(0, x), and its gradient.

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

// Dropout of spikes and of floats, which is its own backward.

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

// Max pooling of spikes and of floats, adaptive average pooling, and their gradients.

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
