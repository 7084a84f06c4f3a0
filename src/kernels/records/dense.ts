/** Dense convolutions on any input, and on few input channels. */

import { Dense, Narrow } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import * as word from './schema.js'
import { copies, type Fields, perProduct, record } from './schema.js'

// Sizes that records of convolutions have: each kind takes those that its kernels read.

export const convShape = {
  images: word.number(4),
  inH: word.number(6),
  inW: word.number(7),
  inC: word.number(8),
  outH: word.number(9),
  outW: word.number(10),
  /** N, a multiple of BlockWidth. */
  outC: word.number(11),
  /** Output channels of a block of Weight: 4, 8, 16 or 32. */
  blockWidth: word.number(12),
  kernelH: word.number(14),
  kernelW: word.number(15),
  strideH: word.number(16),
  strideW: word.number(17),
  padH: word.number(18),
  padW: word.number(19),
  /** Rows per pixel of Out (forward) or Delta (backward); lists of counts: the highest count. */
  steps: word.number(5),
  /** Rows and columns of In from one tap to the next, where that is more than 1. */
  dilationH: word.numberIf(48),
  dilationW: word.numberIf(49),
  /** Rows of a block of Weight: kernelH·kernelW·inC + 1, rounded up to a multiple of 4. */
  kRows: word.number(13),
}

export type SizeName = keyof typeof convShape

/** The words of some sizes. */
export const sizes = <N extends SizeName>(...names: readonly N[]) =>
  Object.fromEntries(names.map((name) => [name, convShape[name]])) as Pick<typeof convShape, N>

export const inputSize = ['inH', 'inW', 'inC'] as const
export const outputSize = ['images', 'outH', 'outW', 'outC'] as const
export const weightSize = ['blockWidth', 'kRows'] as const
export const window = ['kernelH', 'kernelW', 'strideH', 'strideW', 'padH', 'padW'] as const
export const dilation = ['dilationH', 'dilationW'] as const

/** Where a dense kernel reads its input. */
export const input = {
  in: word.readsInput(21),
  /** Above 0: In is this less 1 behind the address that the word at its address holds. */
  inIndirect: word.behind(22),
  /** Bytes from one pixel of In to the next. */
  inPixelBytes: word.size(23),
  /** Bytes from one step of In to the next; 0 when In is the same at every step. */
  inStepBytes: word.size(24),
  /** Bytes added to In for each step of a loop over t outside (step mode s). */
  inLoopBytes: word.number(25),
}

const forward = {
  ...input,
  /**
   * [N / blockWidth][kRows][blockWidth] float32, row k = (ky·kernelW + kx)·inC + c; rows from
   * kernelH·kernelW·inC on are zero.
   */
  weight: word.reads(26),
  /** float32 [N], or 0. */
  bias: word.readsIf(27),
  /** Address of zeros, at least kernelW·inC and outC floats. */
  zeros: word.reads(28),
  out: word.writes(20),
  /** Rows (pixel, t) or output-pixel rows of one unit: see the operation. */
  rowsPerUnit: word.number(29),
}

type Copied = Pick<
  Fields<typeof convShape>,
  'inC' | 'outW' | 'kernelH' | 'kernelW' | 'strideH' | 'strideW'
> & { readonly rowsPerUnit: number }

/** Copies of the input of a block of rows: each plane has an odd number of cache lines. */
function copyBytes(of: Copied): number {
  const { inC, outW, kernelH, kernelW, strideH, strideW, rowsPerUnit } = of
  const planes = Math.min(strideH, kernelH) * kernelW * inC
  const rows = rowsPerUnit + Math.floor((kernelH - 1) / strideH)
  const lines = Math.ceil((rows * outW) / Narrow.LineFloats) | 1
  const columns = outW + Math.floor((kernelW - 1) / strideW)
  return (
    8 * Math.min(strideW, kernelW) * inC * columns + planes * 4 * lines * Narrow.LineFloats + 16
  )
}

const narrow = {
  /** Few input channels: pixels of a chunk, a multiple of 5, which stay in the cache. */
  pixelsPerChunk: word.number(37),
}

/** A tile, and of each row where it begins and so many numbers of it. */
const rowsBytes = (rowsPerUnit: number, numbers: number): number =>
  Dense.TileBytes + rowsPerUnit * (Dense.OriginBytes + 4 * numbers)

/** Dense forward: Out = In ∗ Weight + Bias; unit = rowsPerUnit rows (pixel, t) of Out. */
export const convDense = record(
  'ConvDense',
  1,
  perProduct(0.03),
  {
    ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window, ...dilation),
    ...forward,
  },
  ({ rowsPerUnit, kernelH, kernelW, inC }) =>
    rowsBytes(rowsPerUnit, Math.min(Dense.Depth, kernelH * kernelW * inC)),
)

/**
 * ConvDense for few input channels; unit = rowsPerUnit rows of one image of Out. Unlike the others
 * it takes a unit's image from its number: there is no word for how many.
 */
export const convNarrow = record(
  'ConvNarrow',
  15,
  perProduct(0.01),
  {
    ...sizes('steps', ...inputSize, 'outH', 'outW', 'outC', ...weightSize, ...window),
    ...forward,
    ...narrow,
  },
  (of) => Dense.TileBytes + 4 * of.kernelH * of.kernelW * of.inC + copyBytes(of),
)

/**
 * Weight transposed for the input gradient: [inC/8][tap][outC][8]; unit = one block of 8 input
 * channels.
 */
export const transposeWeight = record('TransposeWeight', 4, copies, {
  ...sizes('inC', 'outC', ...weightSize, 'kernelH', 'kernelW'),
  weight: word.reads(26),
  /** Transposed weight for the input gradient (TransposeWeight's output). */
  transposed: word.writes(31),
})

/** Out = gradient of the input, from Delta; unit = rowsPerUnit rows within one stride class. */
export const convInputGradient = record(
  'ConvInputGradient',
  5,
  perProduct(0.03),
  {
    ...sizes('steps', ...inputSize, ...outputSize, ...window, ...dilation),
    /** Gradient of the output, [B][outH][outW][T][N]. */
    delta: word.reads(30),
    transposed: word.reads(31),
    /** float32 [inC], or 0: added to Out. */
    bias: word.readsIf(27),
    zeros: word.reads(28),
    out: word.writes(20),
    rowsPerUnit: word.number(29),
  },
  ({ rowsPerUnit, outC }) => rowsBytes(rowsPerUnit, outC),
)

/** With one split it writes `out` (or adds to it), with more `partial`, which is then summed. */
const weightGradient = {
  ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window),
  ...input,
  delta: word.reads(30),
  out: word.writesOrAddsIf(20, 'accumulate'),
  accumulate: word.flagIf(36),
  partial: word.writesIf(33),
  /**
   * Weight gradient: parts into which the rows are split, and their partial results
   * [split][kRows·outC].
   */
  splits: word.number(32),
  /** Factor of the result. */
  scale: word.f32(35),
}

/** Out = gradient of the weight in the weight's layout; unit = (split of rows, block of k). */
export const convWeightGradient = record(
  'ConvWeightGradient',
  6,
  perProduct(0.03),
  {
    ...weightGradient,
    ...sizes(...dilation),
    /** Weight gradient: k of one unit, a multiple of 4. */
    kPerUnit: word.number(34),
  },
  ({ kPerUnit, outC }) => {
    const columns = roundUp(outC, Dense.TileColumns)
    const row = Dense.OriginBytes + 4 * (kPerUnit + columns)
    return Dense.GradientHeadBytes + Dense.GradientRows * row + 4 * kPerUnit * columns
  },
)

/**
 * ConvWeightGradient for few input channels; unit = split of the images, whose blocks are of
 * rowsPerUnit rows of Delta.
 */
export const narrowWeightGradient = record(
  'NarrowWeightGradient',
  16,
  perProduct(0.03),
  {
    ...weightGradient,
    ...narrow,
    rowsPerUnit: word.number(29),
    /** Non-zero: δ of a chunk and step is packed first. */
    packed: word.flag(38),
  },
  (of) => {
    const tiled = roundUp(of.kernelH * of.kernelW * of.inC, Dense.TileRows)
    const packedBytes = of.packed ? of.pixelsPerChunk * 4 * of.outC : 0
    return 4 * (tiled + (tiled + of.kRows) * of.outC) + packedBytes + copyBytes(of)
  },
)

/** Out = Σ over splits of Partial; unit = block of k. */
export const reduceSplits = record('ReduceSplits', 7, copies, {
  ...sizes('outC', 'kRows'),
  partial: word.reads(33),
  splits: word.number(32),
  kPerUnit: word.number(34),
  out: word.writesOrAdds(20, 'accumulate'),
  accumulate: word.flagIf(36),
})

/** Out = Σ over rows of Delta, bias gradient; unit = 16 channels. */
export const biasGradient = record('BiasGradient', 8, copies, {
  ...sizes('steps', ...outputSize),
  delta: word.reads(30),
  out: word.writesOrAdds(20, 'accumulate'),
  accumulate: word.flagIf(36),
})
