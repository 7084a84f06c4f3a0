/** Sizes that records of convolutions have: each kind takes those that its kernels read. */

import { ConvWord } from '../../../assembly/opcodes.js'
import { type Field, number } from './schema.js'

export const convShape = {
  images: number(ConvWord.Images),
  steps: number(ConvWord.T),
  inH: number(ConvWord.InH),
  inW: number(ConvWord.InW),
  inC: number(ConvWord.InC),
  outH: number(ConvWord.OutH),
  outW: number(ConvWord.OutW),
  outC: number(ConvWord.OutC),
  blockWidth: number(ConvWord.BlockWidth),
  kRows: number(ConvWord.KRows),
  kernelH: number(ConvWord.KernelH),
  kernelW: number(ConvWord.KernelW),
  strideH: number(ConvWord.StrideH),
  strideW: number(ConvWord.StrideW),
  padH: number(ConvWord.PadH),
  padW: number(ConvWord.PadW),
}

export type SizeName = keyof typeof convShape

/** The words of some sizes. */
export const sizes = <N extends SizeName>(...names: readonly N[]) =>
  Object.fromEntries(names.map((name) => [name, convShape[name]])) as Record<N, Field<number>>

export const inputSize = ['inH', 'inW', 'inC'] as const
export const outputSize = ['images', 'outH', 'outW', 'outC'] as const
export const weightSize = ['blockWidth', 'kRows'] as const
export const window = ['kernelH', 'kernelW', 'strideH', 'strideW', 'padH', 'padW'] as const
