/** Winograd's gradients. */

import { sizes, weightSize } from './conv.js'
import {
  copies,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  perProduct,
  reads,
  readsIf,
  record,
  size,
  sizeIf,
  writes,
  writesIf,
  writesOrAddsIf,
} from './schema.js'

/** Tiles of Delta for the input gradient; unit = one tile row. */
export const winogradInputTransform = record('WinogradInputTransform', 9, copies, {
  ...sizes('images', 'steps', 'inH', 'inW', 'outC'),
  /** Gradient of the output, [B][inH][inW][N]. */
  delta: reads(22),
  /** Shared scratch: transformed tiles or kernels. */
  scratch: writes(24),
  /** Bytes between planes of transformed tiles in Scratch. */
  planeBytes: size(25),
})

/** Kernels for the input gradient; unit = (8 input channels, block of output channels). */
export const winogradKernelTransform = record('WinogradKernelTransform', 17, copies, {
  ...sizes('inC', 'outC', ...weightSize),
  /** As `weight`. */
  weight: reads(23),
  scratch: writes(24),
})

/**
 * Out = gradient of the input; unit = tile rows, or (tile rows, 8 input channels). `scratch` has
 * the kernels (`kernelFirst`, and it reads `delta`) or the tiles (and `weight`).
 */
export const winogradInputGradient = record('WinogradInputGradient', 10, perProduct(0.01, 9), {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC', ...weightSize),
  /**
   * Input gradient: non-zero when the kernels are transformed by a record of their own, and the
   * tiles by each unit.
   */
  kernelFirst: flag(26),
  scratch: reads(24),
  planeBytes: sizeIf(25),
  delta: readsIf(22),
  weight: readsIf(23),
  out: writes(20),
  /** Tile rows of one unit. */
  rowsPerUnit: number(27),
})

/** Kernels for WinogradStrideGradient; unit = (8 input channels, block of output channels). */
export const winogradStrideKernels = record('WinogradStrideKernels', 74, copies, {
  ...sizes('inC', 'outC', ...weightSize),
  weight: reads(23),
  scratch: writes(24),
})

/** Out = gradient of the input of a convolution of stride 2; unit = tile rows. */
export const winogradStrideGradient = record('WinogradStrideGradient', 75, perProduct(0.02, 9), {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outH', 'outW', 'outC'),
  scratch: reads(24),
  delta: reads(22),
  out: writes(20),
  rowsPerUnit: number(27),
})

/** Tiles of In and Delta for the weight gradient; unit = one tile row of either. */
export const winogradWeightTransform = record('WinogradWeightTransform', 11, copies, {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC'),
  /** Float32 [B][inH][inW][inC]. */
  in: reads(21),
  delta: reads(22),
  scratch: writes(24),
  planeBytes: size(25),
})

/**
 * Out = gradient of the weight; unit = (input channels, output channels). Without splits it
 * multiplies the tiles in `scratch` and writes `out` (or adds to it). With them it transforms tiles
 * of `in` and `delta` itself and writes `partial`, which is then summed.
 */
export const winogradWeightGradient = record('WinogradWeightGradient', 12, perProduct(0.01, 9), {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC', ...weightSize),
  /** Weight gradient: input and output channels of one unit. */
  inCPerUnit: number(28),
  outCPerUnit: number(29),
  /** Factor of the result. */
  scale: f32(32),
  scratch: readsIf(24),
  planeBytes: sizeIf(25),
  out: writesOrAddsIf(20, 'accumulate'),
  /** Non-zero: add to Out instead of writing it. */
  accumulate: flagIf(33),
  /** Weight gradient: as in dense.ts; 0 splits: Scratch has the tiles. */
  splits: numberIf(30),
  rowsPerUnit: numberIf(27),
  in: readsIf(21),
  delta: readsIf(22),
  partial: writesIf(31),
})
