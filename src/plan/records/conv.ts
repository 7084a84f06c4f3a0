/** Sizes that records of convolutions have: each kind takes those that its kernels read. */

import { type Field, number } from './schema.js'

export const convShape = {
  images: number(4),
  inH: number(6),
  inW: number(7),
  inC: number(8),
  outH: number(9),
  outW: number(10),
  /** N, a multiple of BlockWidth. */
  outC: number(11),
  /** Output channels of a block of Weight: 4, 8, 16 or 32. */
  blockWidth: number(12),
  kernelH: number(14),
  kernelW: number(15),
  strideH: number(16),
  strideW: number(17),
  padH: number(18),
  padW: number(19),
  /** Rows per pixel of Out (forward) or Delta (backward); lists of counts: the highest count. */
  steps: number(5),
  /** Rows of a block of Weight: kernelH·kernelW·inC + 1, rounded up to a multiple of 4. */
  kRows: number(13),
}

export type SizeName = keyof typeof convShape

/** The words of some sizes. */
export const sizes = <N extends SizeName>(...names: readonly N[]) =>
  Object.fromEntries(names.map((name) => [name, convShape[name]])) as Record<N, Field<number>>

export const inputSize = ['inH', 'inW', 'inC'] as const
export const outputSize = ['images', 'outH', 'outW', 'outC'] as const
export const weightSize = ['blockWidth', 'kRows'] as const
export const window = ['kernelH', 'kernelW', 'strideH', 'strideW', 'padH', 'padW'] as const
