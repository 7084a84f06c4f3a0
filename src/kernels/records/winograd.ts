/** Winograd's gradients. */

import { Winograd, WinogradStride } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import { sizes, weightSize } from './dense.js'
import * as word from './schema.js'
import { copies, perProduct, record } from './schema.js'

/** The transform of a tile row, of so many channels of all steps. */
const rowBytes = (channels: number): number =>
  Winograd.TransformBytes + Winograd.RowsBytes + 24 * channels

/** Planes of so many bytes. */
const planesOf = (bytes: number): number => Winograd.Planes * (bytes + Winograd.PlanePadding)

const tilesAcross = (width: number): number => Math.ceil(width / Winograd.Tile)

/** Tiles of Delta for the input gradient; unit = one tile row. */
export const winogradInputTransform = record(
  'WinogradInputTransform',
  9,
  copies,
  {
    ...sizes('images', 'steps', 'inH', 'inW', 'outC'),
    /** Gradient of the output, [B][inH][inW][N]. */
    delta: word.reads(22),
    /** Shared scratch: transformed tiles or kernels. */
    scratch: word.writes(24),
    /** Bytes between planes of transformed tiles in Scratch. */
    planeBytes: word.size(25),
  },
  ({ steps, outC }) => rowBytes(steps * outC),
)

/** Kernels of a block that are turned; whole numbers as floats besides. */
const turnedBytes = (of: { readonly blockWidth: number; readonly weightScale?: unknown }): number =>
  288 * of.blockWidth * (of.weightScale ? 2 : 1)

const weight = {
  ...sizes('inC', 'outC', ...weightSize),
  /** Where the weight is of whole numbers: float32 [outC], what 1 stands for, and the largest. */
  weightScale: word.readsIf(30),
  most: word.numberIf(31),
}

/** Kernels for the input gradient; unit = (8 input channels, block of output channels). */
export const winogradKernelTransform = record(
  'WinogradKernelTransform',
  17,
  copies,
  {
    ...weight,
    /** As `weight`. */
    weight: word.reads(23),
    scratch: word.writes(24),
    /** Kernels are not rotated: Delta is an input, and Out what the convolution makes of it. */
    forward: word.flagIf(28),
  },
  (of) => Winograd.TransformBytes + turnedBytes(of),
)

/**
 * Out = gradient of the input; unit = tile rows, or (tile rows, 8 input channels). `scratch` has
 * the kernels (`kernelFirst`, and it reads `delta`) or the tiles (and `weight`).
 */
export const winogradInputGradient = record(
  'WinogradInputGradient',
  10,
  perProduct(0.01, 9),
  {
    ...sizes('images', 'steps', 'inH', 'inW'),
    ...weight,
    /**
     * Input gradient: non-zero when the kernels are transformed by a record of their own, and the
     * tiles by each unit.
     */
    kernelFirst: word.flag(26),
    scratch: word.reads(24),
    planeBytes: word.sizeIf(25),
    delta: word.readsIf(22),
    weight: word.readsIf(23),
    out: word.writes(20),
    /** Tile rows of one unit. */
    rowsPerUnit: word.number(27),
    /** As in WinogradKernelTransform. */
    forward: word.flagIf(28),
    /** float32 [C], or 0. */
    bias: word.readsIf(29),
  },
  (of) => {
    const { steps, inC, outC, kernelFirst } = of
    const room = roundUp(of.rowsPerUnit * tilesAcross(of.inW), 4)
    const chunks = Math.ceil(outC / Winograd.Chunk)
    const own = kernelFirst
      ? planesOf(chunks * Winograd.ChunkBytes * room) + rowBytes(steps * outC)
      : planesOf(Winograd.BlockBytes * outC) + Winograd.TransformBytes + turnedBytes(of)
    const products = planesOf(Winograd.BlockBytes * room) + 16 * steps * inC
    return products + Winograd.RowsBytes + Winograd.TransformBytes + own
  },
)

/** Kernels for WinogradStrideGradient; unit = (8 input channels, block of output channels). */
export const winogradStrideKernels = record(
  'WinogradStrideKernels',
  74,
  copies,
  { ...weight, weight: word.reads(23), scratch: word.writes(24) },
  (of) => WinogradStride.LineBytes + turnedBytes(of),
)

/** Out = gradient of the input of a convolution of stride 2; unit = tile rows. */
export const winogradStrideGradient = record(
  'WinogradStrideGradient',
  75,
  perProduct(0.02, 9),
  {
    ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outH', 'outW', 'outC'),
    scratch: word.reads(24),
    delta: word.reads(22),
    out: word.writes(20),
    rowsPerUnit: word.number(27),
  },
  (of) => {
    const { steps, inC, outC } = of
    const room = roundUp(of.rowsPerUnit * Math.ceil(of.outW / WinogradStride.Tile), 4)
    const chunks = Math.ceil(outC / Winograd.Chunk)
    const tile = Winograd.BlockBytes + Winograd.ChunkBytes * chunks
    return (
      WinogradStride.Planes * (tile * room + 2 * Winograd.PlanePadding) +
      2 * (WinogradStride.LineBytes + Winograd.RowsBytes) +
      steps * (32 * inC + 20 * outC)
    )
  },
)

/** Tiles of In and Delta for the weight gradient; unit = one tile row of either. */
export const winogradWeightTransform = record(
  'WinogradWeightTransform',
  11,
  copies,
  {
    ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC'),
    /** Float32 [B][inH][inW][inC]. */
    in: word.reads(21),
    delta: word.reads(22),
    scratch: word.writes(24),
    planeBytes: word.size(25),
  },
  ({ steps, inC, outC }) => rowBytes(steps * Math.max(inC, outC)),
)

/** Groups of channels of both factors of the weight gradient. */
export const channelGroups = (inC: number, outC: number): number =>
  Math.ceil(inC / Winograd.Group) + Math.ceil(outC / Winograd.Group)

/** Sums and tiles of a unit of the weight gradient that transforms its own. */
export const ownTilesBytes = (of: {
  readonly inW: number
  readonly inC: number
  readonly outC: number
  readonly inCPerUnit: number
  readonly outCPerUnit: number
  readonly rowsPerUnit: number
}): number =>
  planesOf(4 * of.inCPerUnit * of.outCPerUnit) +
  planesOf(
    channelGroups(of.inC, of.outC) *
      Winograd.GroupBytes *
      (of.rowsPerUnit * tilesAcross(of.inW) + 1),
  )

/**
 * Out = gradient of the weight; unit = (input channels, output channels). Without splits it
 * multiplies the tiles in `scratch` and writes `out` (or adds to it). With them it transforms tiles
 * of `in` and `delta` itself and writes `partial`, which is then summed.
 */
export const winogradWeightGradient = record(
  'WinogradWeightGradient',
  12,
  perProduct(0.01, 9),
  {
    ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC', ...weightSize),
    /** Weight gradient: input and output channels of one unit. */
    inCPerUnit: word.number(28),
    outCPerUnit: word.number(29),
    /** Factor of the result. */
    scale: word.f32(32),
    scratch: word.readsIf(24),
    planeBytes: word.sizeIf(25),
    out: word.writesOrAddsIf(20, 'accumulate'),
    /** Non-zero: add to Out instead of writing it. */
    accumulate: word.flagIf(33),
    /** Weight gradient: as in dense.ts; 0 splits: Scratch has the tiles. */
    splits: word.numberIf(30),
    rowsPerUnit: word.numberIf(27),
    in: word.readsIf(21),
    delta: word.readsIf(22),
    partial: word.writesIf(31),
  },
  (of) =>
    of.splits
      ? ownTilesBytes({ ...of, rowsPerUnit: of.rowsPerUnit ?? 0 }) +
        Winograd.TransformBytes +
        rowBytes(of.steps * Math.max(of.inC, of.outC))
      : planesOf(4 * of.inCPerUnit * of.outCPerUnit) + Winograd.TransformBytes,
)
