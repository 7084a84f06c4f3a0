/** Normalisation of groups of channels of each image. */

import {
  carriesIf,
  copies,
  f32,
  flagIf,
  numberIf,
  reads,
  readsIf,
  record,
  size,
  writes,
  writesIf,
} from './schema.js'

const shape = {
  /** float32 [affinePixels][C], or 0; with perPixel float32 [affinePixels]. */
  weight: readsIf(6),
  /**
   * 1: a weight for each channel; else Pixels: one for each neuron. With perPixel at least Pixels,
   * a multiple of 4.
   */
  affinePixels: numberIf(8),
  /** Non-zero: a weight for each pixel, which all channels share. */
  perPixel: flagIf(23),
  /** For an image. */
  pixels: size(9),
  /** Channels as stored, and those that hold numbers. */
  stored: size(10),
  channels: size(11),
  groups: size(12),
  /** Rows of a pixel. */
  steps: size(13),
  /** The same shape: the output; backward the gradient of the input. */
  out: writes(5),
}

/** Normalisation of groups of channels of an image; unit = image. */
export const groupNorm = record(
  'GroupNorm',
  123,
  copies,
  {
    ...shape,
    /** float32 [B][Pixels][T][C]. */
    in: reads(4),
    bias: readsIf(7),
    /** Added to the variance. */
    epsilon: f32(14),
    /** float32 [B][T][Groups], or 0. */
    mean: writesIf(15),
    invStd: writesIf(16),
    /** float32 [B][Pixels][C] and [B][Groups]: means over time of x̂ and 1/σ; or 0. */
    xhat: carriesIf(17),
    meanInvStd: carriesIf(18),
    /** Share of one row in these means. */
    share: f32(19),
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
    delta: reads(20),
    in: readsIf(4),
    mean: readsIf(15),
    invStd: readsIf(16),
    xhat: readsIf(17),
    meanInvStd: readsIf(18),
    /** Backward: parts of the gradients of Weight and Bias, of each image as these are; or 0. */
    weightPartial: writesIf(21),
    biasPartial: writesIf(22),
  },
  ({ stored }) => 24 * stored,
)
