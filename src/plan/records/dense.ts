/** Dense convolutions on any input, and on few input channels. */

import { inputSize, outputSize, sizes, weightSize, window } from './conv.js'
import {
  copies,
  f32,
  flag,
  flagIf,
  number,
  perProduct,
  reads,
  readsIf,
  readsInput,
  record,
  size,
  writes,
  writesIf,
  writesOrAdds,
  writesOrAddsIf,
} from './schema.js'

/** Where a dense kernel reads its input. */
const input = {
  in: readsInput(21),
  /** Non-zero: In is the address of a word that holds the address. */
  inIndirect: flag(22),
  /** Bytes from one pixel of In to the next. */
  inPixelBytes: size(23),
  /** Bytes from one step of In to the next; 0 when In is the same at every step. */
  inStepBytes: size(24),
  /** Bytes added to In for each step of a loop over t outside (step mode s). */
  inLoopBytes: number(25),
}

const forward = {
  ...input,
  /**
   * [N / blockWidth][kRows][blockWidth] float32, row k = (ky·kernelW + kx)·inC + c; rows from
   * kernelH·kernelW·inC on are zero.
   */
  weight: reads(26),
  /** float32 [N], or 0. */
  bias: readsIf(27),
  /** Address of zeros, at least kernelW·inC and outC floats. */
  zeros: reads(28),
  out: writes(20),
  /** Rows (pixel, t) or output-pixel rows of one unit: see the operation. */
  rowsPerUnit: number(29),
}

const narrow = {
  /** Few input channels: pixels of a chunk, a multiple of 5, which stay in the cache. */
  pixelsPerChunk: number(37),
}

/** Dense forward: Out = In ∗ Weight + Bias; unit = rowsPerUnit rows (pixel, t) of Out. */
export const convDense = record('ConvDense', 1, perProduct(0.03), {
  ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window),
  ...forward,
})

/**
 * ConvDense for few input channels; unit = rowsPerUnit rows of one image of Out. Unlike the others
 * it takes a unit's image from its number: there is no word for how many.
 */
export const convNarrow = record('ConvNarrow', 15, perProduct(0.01), {
  ...sizes('steps', ...inputSize, 'outH', 'outW', 'outC', ...weightSize, ...window),
  ...forward,
  ...narrow,
})

/**
 * Weight transposed for the input gradient: [inC/8][tap][outC][8]; unit = one block of 8 input
 * channels.
 */
export const transposeWeight = record('TransposeWeight', 4, copies, {
  ...sizes('inC', 'outC', ...weightSize, 'kernelH', 'kernelW'),
  weight: reads(26),
  /** Transposed weight for the input gradient (TransposeWeight's output). */
  transposed: writes(31),
})

/** Out = gradient of the input, from Delta; unit = rowsPerUnit rows within one stride class. */
export const convInputGradient = record('ConvInputGradient', 5, perProduct(0.03), {
  ...sizes('steps', ...inputSize, ...outputSize, ...window),
  /** Gradient of the output, [B][outH][outW][T][N]. */
  delta: reads(30),
  transposed: reads(31),
  zeros: reads(28),
  out: writesOrAdds(20, 'accumulate'),
  /** Non-zero: add to Out instead of writing it (online methods). */
  accumulate: flagIf(36),
  rowsPerUnit: number(29),
})

/** With one split it writes `out` (or adds to it), with more `partial`, which is then summed. */
const weightGradient = {
  ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window),
  ...input,
  delta: reads(30),
  out: writesOrAddsIf(20, 'accumulate'),
  accumulate: flagIf(36),
  partial: writesIf(33),
  /**
   * Weight gradient: parts into which the rows are split, and their partial results
   * [split][kRows·outC].
   */
  splits: number(32),
  /** Factor of the result. */
  scale: f32(35),
}

/** Out = gradient of the weight in the weight's layout; unit = (split of rows, block of k). */
export const convWeightGradient = record('ConvWeightGradient', 6, perProduct(0.03), {
  ...weightGradient,
  /** Weight gradient: k of one unit, a multiple of 4. */
  kPerUnit: number(34),
})

/**
 * ConvWeightGradient for few input channels; unit = split of the images, whose blocks are of
 * rowsPerUnit rows of Delta.
 */
export const narrowWeightGradient = record('NarrowWeightGradient', 16, perProduct(0.03), {
  ...weightGradient,
  ...narrow,
  rowsPerUnit: number(29),
  /** Non-zero: δ of a chunk and step is packed first. */
  packed: flag(38),
})

/** Out = Σ over splits of Partial; unit = block of k. */
export const reduceSplits = record('ReduceSplits', 7, copies, {
  ...sizes('outC', 'kRows'),
  partial: reads(33),
  splits: number(32),
  kPerUnit: number(34),
  out: writesOrAdds(20, 'accumulate'),
  accumulate: flagIf(36),
})

/** Out = Σ over rows of Delta, bias gradient; unit = 16 channels. */
export const biasGradient = record('BiasGradient', 8, copies, {
  ...sizes('steps', ...outputSize),
  delta: reads(30),
  out: writesOrAdds(20, 'accumulate'),
  accumulate: flagIf(36),
})
