/** Records of values that are made of others: in another order, products, softmax. */

import { Dense } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import * as word from './schema.js'
import { copies, entries, entry, perByte, perProduct, record } from './schema.js'

/**
 * Out = In at other places of an image; unit = image, of spikes a plane's. Number (c, y, x) of one
 * is number n = offset + c·channelStride + y·rowStride + x·pixelStride of the other one's
 * [C][H][W].
 */
export const rearrange = record('Rearrange', 130, copies, {
  /** float32 [B][P][T][C], or masks of a plane, or counts. */
  in: word.reads(4),
  out: word.writes(5),
  /** Non-zero: c, y, x count through In, n through Out, whose numbers are sums over them. */
  back: word.flagIf(6),
  /** Non-zero: bytes, T = 1. */
  bytes: word.flagIf(7),
  /** Non-zero: In is one image for all. */
  shared: word.flagIf(8),
  /** Sizes of an image that c, y, x count through. */
  pixels: word.size(9),
  width: word.size(10),
  stored: word.size(11),
  channels: word.size(12),
  /** Places of the other. */
  otherPixels: word.size(13),
  otherStored: word.size(14),
  steps: word.size(15),
  channelStride: word.size(16),
  rowStride: word.size(17),
  pixelStride: word.size(18),
  offset: word.size(19),
})

/** Bytes from one place of a factor to the next; 0 where all share it. */
export const strides = entry(24, {
  image: word.size(0),
  step: word.size(1),
  /** Bytes of pixels; of a matrix. */
  row: word.size(2),
  column: word.size(3),
  /** Bytes of matrices one below the other. */
  head: word.sizeIf(4),
  /** Non-zero: all channels share one. */
  single: word.flagIf(5),
})

const factors = {
  /** Strides of the two factors and Out. */
  strides: entries(7, strides),
  a: word.reads(4),
  b: word.reads(5),
  out: word.writes(6),
  columns: word.number(8),
  perUnit: word.number(9),
  /** Channels of Out as stored; of Multiply those of A. */
  stored: word.size(10),
}

/**
 * Out = Σ of A · B over what Out's strides leave out; unit = perUnit pixels of an image, or all. A
 * has all channels.
 */
export const multiply = record('Multiply', 131, copies, {
  ...factors,
  pixels: word.number(11),
  steps: word.number(12),
})

/**
 * Out = A · B for each image, step and head, or their sum over some steps; unit = perUnit columns
 * of such a product. Columns of Out are pixels, rows channels.
 */
export const matrixProduct = record(
  'MatrixProduct',
  132,
  perProduct(0.03),
  {
    ...factors,
    rows: word.number(11),
    /** Columns of A, rows of B. */
    depth: word.number(12),
    heads: word.number(13),
    /** Steps of Out, and of A and B those that a step of Out adds up. */
    steps: word.number(14),
    summands: word.number(15),
  },
  ({ rows, perUnit }) =>
    Dense.TileBytes +
    4 * Dense.Depth * (Dense.ProductRows + roundUp(rows, Dense.TileColumns)) +
    4 * roundUp(rows * perUnit, 4),
)

/**
 * Out = e^In / Σ e^In over numbers that lie so many bytes apart; unit = perUnit blocks, in each of
 * which such sums lie side by side.
 */
export const softmax = record('Softmax', 133, perByte(0.5), {
  /** float32 [B][P][T][C]. */
  in: word.reads(4),
  out: word.writes(5),
  blocks: word.number(6),
  perUnit: word.number(7),
  blockBytes: word.size(8),
  /** Sums of a block, in rows of channels as stored; those that hold numbers. */
  lines: word.number(9),
  stored: word.number(10),
  channels: word.number(11),
  /** Bytes of a sum's numbers, and from one to the next. */
  bytes: word.size(12),
  stride: word.size(13),
})
