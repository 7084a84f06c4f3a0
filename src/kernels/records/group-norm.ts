/** Normalisation of groups of channels of each image. */

import * as word from './schema.js'
import { copies, record } from './schema.js'

const shape = {
  /** float32 [affinePixels][C], or 0; with perPixel float32 [affinePixels]. */
  weight: word.readsIf(6),
  /**
   * 1: a weight for each channel; else Pixels: one for each neuron. With perPixel at least Pixels,
   * a multiple of 4.
   */
  affinePixels: word.numberIf(8),
  /** Non-zero: a weight for each pixel, which all channels share. */
  perPixel: word.flagIf(23),
  /** For an image. */
  pixels: word.size(9),
  /** Channels as stored, and those that hold numbers. */
  stored: word.size(10),
  channels: word.size(11),
  groups: word.size(12),
  /** Rows of a pixel. */
  steps: word.size(13),
  /** The same shape: the output; backward the gradient of the input. */
  out: word.writes(5),
}

/** Normalisation of groups of channels of an image; unit = image. */
export const groupNorm = record(
  'GroupNorm',
  123,
  copies,
  {
    ...shape,
    /** float32 [B][Pixels][T][C]. */
    in: word.reads(4),
    bias: word.readsIf(7),
    /** Added to the variance. */
    epsilon: word.f32(14),
    /** float32 [B][T][Groups], or 0. */
    mean: word.writesIf(15),
    invStd: word.writesIf(16),
    /** float32 [B][Pixels][C] and [B][Groups]: means over time of x̂ and 1/σ; or 0. */
    xhat: word.carriesIf(17),
    meanInvStd: word.carriesIf(18),
    /** Share of one row in these means. */
    share: word.f32(19),
  },
  ({ stored }) => 12 * stored,
)

/** Its gradients; unit = image. It reads x̂, or what x̂ is computed from. */
export const groupNormBackward = record(
  'GroupNormBackward',
  124,
  copies,
  {
    ...shape,
    /** Backward: float32 [B][Pixels][T][C]; Out may be Delta. */
    delta: word.reads(20),
    in: word.readsIf(4),
    mean: word.readsIf(15),
    invStd: word.readsIf(16),
    xhat: word.readsIf(17),
    meanInvStd: word.readsIf(18),
    /** Backward: parts of the gradients of Weight and Bias, of each image as these are; or 0. */
    weightPartial: word.writesIf(21),
    biasPartial: word.writesIf(22),
  },
  ({ stored }) => 24 * stored,
)
