/** Records that pass signals on: times constants, later, or side by side. */

import * as word from './schema.js'
import { copies, entries, entry, type FieldsOf, perByte, record } from './schema.js'

/** Out = In times constants of channels or neurons; unit = chunk of pixels. */
export const scaled = record('Scaled', 120, copies, {
  /** float32 [P][T][C]; Out may be In. */
  in: word.reads(4),
  out: word.writes(5),
  /** float32 [factorPixels][C]. */
  factor: word.data(6),
  /** Pixels that have factors of their own: 1, or those of an image. */
  factorPixels: word.number(7),
  pixels: word.number(8),
  channels: word.size(9),
  steps: word.size(10),
  pixelsPerUnit: word.number(11),
})

const delayed = {
  /** float32 [P][inRows][C], or masks. Out is never In. */
  in: word.reads(4),
  out: word.writes(5),
  /** Steps, where all channels have the same. */
  by: word.numberIf(7),
  /** i32 [C]: steps of each channel; or 0. In place of `by`, where channels differ. */
  delays: word.dataIf(8),
  /** The most of these, and how many steps the history holds. */
  most: word.number(9),
  /**
   * What came before this call, in rings by step modulo Most: float32 [P][Most][C], of spikes bits
   * [P][C][⌈Most / 8⌉]; or 0 where a call has all steps.
   */
  history: word.carriesIf(10),
  pixels: word.number(11),
  channels: word.number(12),
  steps: word.number(13),
  pixelsPerUnit: word.number(14),
}

/** Out = In of some steps before, or behind; unit = chunk of pixels. */
export const delay = record('Delay', 125, copies, {
  ...delayed,
  /** Rows of a pixel of In: T, or 1 where all steps have the same. */
  inRows: word.number(6),
  /** Non-zero: backward, Out is In of some steps behind. */
  back: word.flagIf(15),
  /** Backward: steps of a segment, beyond which nothing comes; 0: there is one. */
  segment: word.numberIf(16),
  /** Rows of Out before the call's first step, at most Most: it holds Before + T rows. */
  before: word.numberIf(17),
})

/** The same of spikes; unit = chunk of pixels. */
export const delaySpikes = record('DelaySpikes', 126, copies, {
  ...delayed,
  /** Spikes: bytes between planes, and counts u8 [P][C]. */
  planeBytes: word.size(16),
  inPlaneBytes: word.size(18),
  counts: word.carriesIf(17),
})

const placed = {
  /** float32 [outputs][inputs][pixels][count]; 0: all are 1. */
  weight: word.readsIf(4),
  /** Positions, of the same shape: a weight's tap is offset + slope · position, within the taps. */
  position: word.reads(5),
  offset: word.f32(6),
  slope: word.f32(7),
  /** Widths, of the same shape, for a Gaussian; 0: between two taps, linearly. */
  sigma: word.readsIf(8),
  outputs: word.number(9),
  inputs: word.number(10),
  pixels: word.number(11),
  count: word.number(12),
  taps: word.number(13),
  /** Outputs of a block of Kernel, and floats from it to the next one, an input, a tap. */
  width: word.number(14),
  blockFloats: word.size(15),
  inputStride: word.size(16),
  tapStride: word.size(17),
}

const u = ({ taps }: { readonly taps: number }): number => 16 * taps

/** A kernel over time from weights and their positions; unit = block of outputs. */
export const placeWeights = record(
  'PlaceWeights',
  135,
  perByte(0.3),
  {
    ...placed,
    kernel: word.writes(18),
    /** The positions themselves, where they are to be kept within the taps. */
    kept: word.writesIf(19),
  },
  u,
)

/** From the kernel's gradient those of weights and positions; unit = block of outputs. */
export const placeWeightsBackward = record(
  'PlaceWeightsBackward',
  136,
  { byte: 0.3, kernel: 'placeWeights' },
  {
    ...placed,
    kernel: word.reads(18),
    weightGradient: word.writesIf(20),
    positionGradient: word.writes(21),
  },
  u,
)

const floats = {
  /** float32 [B][Pixels][Rows][C], or masks [plane][B][Pixels][C]. */
  from: word.reads(0),
  /** For an image: those of the whole, or with one pixel there all of them become channels. */
  pixels: word.size(1),
  /** Channels as stored, and those that hold numbers. */
  stored: word.size(2),
  channels: word.size(3),
  /** Rows of a pixel: T, or 1 where all steps have the same. */
  rows: word.size(4),
  /** The first channel that it has in Out. */
  offset: word.size(5),
}
export const part = entry(32, floats)
export const spikePart = entry(32, {
  ...floats,
  /** Spikes. */
  planeBytes: word.size(6),
  counts: word.readsIf(7),
})
/** A tensor of floats among those that are joined. */
/** A tensor of spikes among those that are joined. */
export type SpikePartFields = FieldsOf<typeof spikePart>

const joined = {
  /** float32 [B][Pixels][T][C], or masks. */
  out: word.writes(4),
  count: word.number(6),
  /** For an image. */
  pixels: word.size(7),
  channels: word.size(8),
  steps: word.number(9),
}

/** Channels of several tensors in a row; unit = image. */
export const join = record('Join', 127, copies, {
  ...joined,
  /** Table of JoinPart, and its length. */
  tensors: entries(5, part),
})

/** The same of spikes; unit = image. */
export const joinSpikes = record('JoinSpikes', 128, copies, {
  ...joined,
  parts: entries(5, spikePart),
  /** Spikes: bytes between planes, and counts u8 [B][Pixels][C]. */
  planeBytes: word.size(10),
  counts: word.writesIf(11),
})

/** Out = some channels of In; unit = image. */
export const split = record('Split', 129, copies, {
  /** float32 [B][inPixels][T][inChannels]. */
  in: word.reads(4),
  /** float32 [B][Pixels][T][C]. */
  out: word.writes(5),
  inPixels: word.size(6),
  inChannels: word.size(7),
  pixels: word.size(8),
  stored: word.size(9),
  /** Channels of Out that hold numbers. */
  channels: word.size(10),
  /** The first channel that they have in In. */
  offset: word.size(11),
  steps: word.size(12),
})
