/** Counts of what layers with weights read. */

import {
  carries,
  copies,
  entries,
  flag,
  number,
  reads,
  readsInput,
  record,
  size,
  updates,
} from './schema.js'
import { source } from './spikes.js'

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
