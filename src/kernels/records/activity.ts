/** Sums of tensors written out as floats. */

import * as word from './schema.js'
import { copies, entries, entry, type FieldsOf, perByte, record } from './schema.js'
import { source } from './spikes.js'

export const term = entry(128, {
  /** A `TermKind`. */
  kind: word.number(0),
  scale: word.f32(10),
  sourceH: word.number(11),
  sourceW: word.number(12),
  kernelH: word.number(13),
  kernelW: word.number(14),
  strideH: word.number(15),
  strideW: word.number(16),
  padH: word.number(17),
  padW: word.number(18),
  /** Float data, or masks. Floats, or masks; a mean of spikes reads counts if there are. */
  address: word.readsInputIf(1),
  counts: word.readsIf(2),
  planeBytes: word.sizeIf(3),
  /** As `inIndirect` of dense kernels. */
  indirect: word.behindIf(19),
  /** Channels that the term has (fewer than C when it is the unpadded input). */
  channels: word.numberIf(20),
  pixelBytes: word.sizeIf(4),
  /** Bytes between steps; 0: the same at every step. */
  stepBytes: word.sizeIf(5),
  /** Bytes between steps of a loop over t outside, from the first step of one call to the next. */
  loopBytes: word.sizeIf(21),
  /** Steps that a float term has (1: static). */
  steps: word.numberIf(6),
  scaleVector: word.readsIf(7),
  shiftVector: word.readsIf(8),
  groupBytes: word.sizeIf(9),
})
export type TermFields = FieldsOf<typeof term>

/**
 * A sum of terms (currents with affine maps, pooled spikes) written out as floats; unit = chunk of
 * pixels.
 */
export const materialise = record('Materialise', 40, perByte(0.05), {
  /** [P][T][C] float32. */
  out: word.writes(4),
  images: word.number(5),
  height: word.number(6),
  width: word.number(7),
  channels: word.number(8),
  steps: word.number(9),
  pixelsPerUnit: word.number(10),
  /** Table of terms. */
  terms: entries(11, term),
  termCount: word.number(12),
  /** 0: spikes at each step; 1: time means (counts / T, mean of floats over their steps). */
  mean: word.flag(13),
  /** What counts are divided by: the steps over which they run. */
  totalSteps: word.number(14),
  /** Counts whose sum 16 bits hold. */
  mostCounted: word.number(15),
})

// Counts of what layers with weights read.

const counts = {
  /** u32 [pixels of an image][C]: counts go on from what is there. */
  out: word.updates(4),
  /** u32 [units]: 1 once a value has come that is neither 0 nor ±1. */
  others: word.updates(5),
  images: word.number(6),
  /** Pixels of an image, and its width. */
  pixels: word.number(7),
  channels: word.size(9),
  /** Steps of one call. */
  steps: word.number(10),
  pixelsPerUnit: word.number(11),
}

/** Counts steps at which inputs that are spikes are not 0; unit = chunk of pixels. */
export const activeSpikes = record(
  'ActiveSpikes',
  140,
  copies,
  {
    ...counts,
    /** What a byte counts before it is added to Out. */
    mostCounted: word.number(28),
    width: word.number(8),
    /** Table of sources. */
    sources: entries(17, source),
    sourceCount: word.number(18),
    planeBytes: word.size(19),
    sourceH: word.number(20),
    sourceW: word.number(21),
    kernelH: word.number(22),
    kernelW: word.number(23),
    strideH: word.number(24),
    strideW: word.number(25),
    padH: word.number(26),
    padW: word.number(27),
  },
  ({ pixelsPerUnit, channels }) => pixelsPerUnit * channels + 16,
)

/** The same of inputs that are floats. */
export const activeFloats = record('ActiveFloats', 141, copies, {
  ...counts,
  in: word.readsInput(12),
  /** As `inIndirect` of dense kernels. */
  indirect: word.behind(13),
  pixelBytes: word.size(14),
  /** Bytes between steps; 0: the same at every step. */
  stepBytes: word.size(15),
  /** Bytes between steps of a loop over t outside. */
  loopBytes: word.size(16),
})

/** The spikes of a call among those of all steps; unit = chunk of bytes. Spikes of all calls. */
export const recordSpikes = record('RecordSpikes', 142, copies, {
  /** Masks u8 of a call [plane][planeBytes]. */
  in: word.reads(4),
  /** Masks u8 of all steps [plane][planeBytes]. */
  out: word.carries(5),
  /** Bytes of a plane. */
  planeBytes: word.size(6),
  bytesPerUnit: word.size(7),
  /** Steps of one call. */
  steps: word.number(8),
})

// max(0, x), and its gradient.

export const reluForward = record('Relu', 57, copies, {
  /** float32 [P][T][C]; Out may be In. */
  in: word.reads(4),
  out: word.writes(5),
  /** Bytes [P][C]: at how many steps Out is above 0; or 0. */
  counts: word.carriesIf(6),
  pixels: word.number(7),
  channels: word.size(8),
  steps: word.size(9),
  pixelsPerUnit: word.number(10),
})

/** Its gradient; unit = chunk of pixels. */
export const reluBackward = record('ReluBackward', 58, copies, {
  /** float32 [P][T][C]. */
  delta: word.reads(4),
  /** float32 [P][T][C]: the output, where there are no Counts. */
  activity: word.readsIf(5),
  /** Bytes [P][C], or 0. */
  counts: word.readsIf(6),
  out: word.writes(7),
  pixels: word.number(8),
  channels: word.size(9),
  /** Rows of a pixel: of Delta, Activity and Out. */
  steps: word.size(10),
  pixelsPerUnit: word.number(11),
  /** What Counts are multiplied by, one over the number of steps. */
  factor: word.f32(12),
})

// Dropout of spikes and of floats, which is its own backward.

const shared = {
  in: word.reads(5),
  out: word.writes(4),
  pixels: word.number(10),
  channels: word.number(11),
  steps: word.number(12),
  pixelsPerUnit: word.number(13),
  /** Probability of dropping. */
  probability: word.f32(14),
  /** Stream of random numbers. */
  stream: word.number(15),
}

/** Spikes of the neurons that dropout keeps; unit = chunk of pixels. */
export const dropout = record('Dropout', 44, copies, {
  ...shared,
  inCounts: word.readsIf(7),
  /** Counts u8 [P][C], of spikes alone. */
  counts: word.writesIf(6),
  planeBytes: word.size(8),
  inPlaneBytes: word.size(9),
})

/** Dropout of floats, and the gradient behind any dropout; unit = chunk of pixels. */
export const dropoutFloats = record('DropoutFloats', 49, copies, shared)

// Max pooling of spikes and of floats, adaptive average pooling, and their gradients.

const window = {
  images: word.number(12),
  /** Size of the pooled tensor, C and size of the source. Backward the other way round. */
  height: word.number(13),
  width: word.number(14),
  channels: word.number(15),
  /** Steps of one call. */
  steps: word.number(11),
  sourceH: word.number(16),
  sourceW: word.number(17),
  kernelH: word.number(18),
  kernelW: word.number(19),
  strideH: word.number(20),
  strideW: word.number(21),
  padH: word.number(22),
  padW: word.number(23),
  pixelsPerUnit: word.number(24),
  in: word.reads(7),
  /** Masks, or floats [P][T][C]. */
  out: word.writes(4),
}

/** Max pooling of spikes: OR of masks; unit = chunk of pixels. */
export const maxPool = record('MaxPool', 41, perByte(0.5), {
  ...window,
  planeBytes: word.size(9),
  inPlaneBytes: word.size(10),
  /**
   * Counts u8 [source pixels][C] that decide the choice. Of floats: float32 [source pixels][C]
   * whose largest value does; 0: In itself. By which the choice is made, unless it is made at each
   * step.
   */
  inCounts: word.readsIf(8),
  /** Counts u8 [P][C]. */
  counts: word.carriesIf(5),
  /** Chosen window position u8 [P][C] (rate) or [P][T][C] (through time), or 0. */
  choice: word.writesIf(6),
  /** Non-zero: choose at each step (through time) and not by the rate. */
  choicePerStep: word.flag(25),
  /** Non-zero: t is the step of an outer loop, counts add up over it. */
  loop: word.flag(26),
  /** Non-zero: counts are the highest InCounts of windows, and not those of Out's spikes. */
  countsOfRates: word.flagIf(27),
  /** In place of InCounts: float32 [source pixels][C]. */
  inSums: word.readsIf(28),
})

/** Max pooling of floats [P][T][C]; unit = chunk of pixels. */
export const maxPoolFloats = record('MaxPoolFloats', 56, copies, {
  ...window,
  /** Sums over time, by which the choice is made; without them by `in`, at each step. */
  chooser: word.readsIf(8),
  choice: word.writesIf(6),
})

/** Gradient of max pooling, to the chosen positions; unit = chunk of source pixels. */
export const maxPoolBackward = record('MaxPoolBackward', 48, perByte(0.2), {
  ...window,
  choice: word.reads(6),
  choicePerStep: word.flag(25),
})

const adaptive = {
  /** float32 [B][H][W][T][C], of its own height and width. */
  in: word.reads(4),
  out: word.writes(5),
  images: word.number(6),
  /** For the layer's input. */
  inH: word.number(7),
  inW: word.number(8),
  /** For the layer's output. */
  outH: word.number(9),
  outW: word.number(10),
  channels: word.number(11),
  steps: word.number(12),
  pixelsPerUnit: word.number(13),
}

/** Means over windows of unequal sizes; unit = chunk of pixels of Out. */
export const adaptivePool = record('AdaptivePool', 121, copies, adaptive)
/** Its gradient; unit = chunk of pixels of Out. */
export const adaptivePoolBackward = record('AdaptivePoolBackward', 122, copies, adaptive)

/**
 * Images of another size by a table for each axis, laid out as assembly/pool/resample.ts says;
 * unit = chunk of pixels of Out.
 */
export const resample = record('Resample', 110, copies, {
  /** float32 [B][inH][inW][T][C] and [B][outH][outW][T][C]. */
  in: word.reads(4),
  out: word.writes(5),
  /** Which rows of In each row of Out sums, times what; columns alike. */
  rows: word.data(6),
  columns: word.data(7),
  images: word.number(8),
  inH: word.number(9),
  inW: word.number(10),
  outH: word.number(11),
  outW: word.number(12),
  channels: word.number(13),
  steps: word.number(14),
  pixelsPerUnit: word.number(15),
})
