/** Records that pass signals on: times constants, later, or side by side. */

import {
  carriesIf,
  copies,
  data,
  dataIf,
  entries,
  entry,
  type FieldsOf,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  size,
  writes,
  writesIf,
} from './schema.js'

/** Out = In times constants of channels or neurons; unit = chunk of pixels. */
export const scaled = record('Scaled', 120, copies, {
  /** float32 [P][T][C]; Out may be In. */
  in: reads(4),
  out: writes(5),
  /** float32 [factorPixels][C]. */
  factor: data(6),
  /** Pixels that have factors of their own: 1, or those of an image. */
  factorPixels: number(7),
  pixels: number(8),
  channels: size(9),
  steps: size(10),
  pixelsPerUnit: number(11),
})

const delayed = {
  /** float32 [P][inRows][C], or masks. Out is never In. */
  in: reads(4),
  out: writes(5),
  /** Steps, where all channels have the same. */
  by: numberIf(7),
  /** i32 [C]: steps of each channel; or 0. In place of `by`, where channels differ. */
  delays: dataIf(8),
  /** The most of these, and how many steps the history holds. */
  most: number(9),
  /**
   * What came before this call, in rings by step modulo Most: float32 [P][Most][C], of spikes bits
   * [P][C][⌈Most / 8⌉]; or 0 where a call has all steps.
   */
  history: carriesIf(10),
  pixels: number(11),
  channels: number(12),
  steps: number(13),
  pixelsPerUnit: number(14),
}

/** Out = In of some steps before, or behind; unit = chunk of pixels. */
export const delay = record('Delay', 125, copies, {
  ...delayed,
  /** Rows of a pixel of In: T, or 1 where all steps have the same. */
  inRows: number(6),
  /** Non-zero: backward, Out is In of some steps behind. */
  back: flagIf(15),
})

/** The same of spikes; unit = chunk of pixels. */
export const delaySpikes = record('DelaySpikes', 126, copies, {
  ...delayed,
  /** Spikes: bytes between planes, and counts u8 [P][C]. */
  planeBytes: size(16),
  inPlaneBytes: size(18),
  counts: carriesIf(17),
})

const floats = {
  /** float32 [B][Pixels][Rows][C], or masks [plane][B][Pixels][C]. */
  from: reads(0),
  /** For an image: those of the whole, or with one pixel there all of them become channels. */
  pixels: size(1),
  /** Channels as stored, and those that hold numbers. */
  stored: size(2),
  channels: size(3),
  /** Rows of a pixel: T, or 1 where all steps have the same. */
  rows: size(4),
  /** The first channel that it has in Out. */
  offset: size(5),
}
export const part = entry(32, floats)
export const spikePart = entry(32, {
  ...floats,
  /** Spikes. */
  planeBytes: size(6),
  counts: readsIf(7),
})
/** A tensor of floats among those that are joined. */
/** A tensor of spikes among those that are joined. */
export type SpikePartFields = FieldsOf<typeof spikePart>

const joined = {
  /** float32 [B][Pixels][T][C], or masks. */
  out: writes(4),
  count: number(6),
  /** For an image. */
  pixels: size(7),
  channels: size(8),
  steps: number(9),
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
  planeBytes: size(10),
  counts: writesIf(11),
})

/** Out = some channels of In; unit = image. */
export const split = record('Split', 129, copies, {
  /** float32 [B][inPixels][T][inChannels]. */
  in: reads(4),
  /** float32 [B][Pixels][T][C]. */
  out: writes(5),
  inPixels: size(6),
  inChannels: size(7),
  pixels: size(8),
  stored: size(9),
  /** Channels of Out that hold numbers. */
  channels: size(10),
  /** The first channel that they have in In. */
  offset: size(11),
  steps: size(12),
})
