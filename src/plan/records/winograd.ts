/** Winograd's gradients. */

import { Op, WinogradWord } from '../../../assembly/opcodes.js'
import { sizes, weightSize } from './conv.js'
import {
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  writes,
  writesIf,
  writesOrAddsIf,
} from './schema.js'

export const winogradInputTransform = record(Op.WinogradInputTransform, {
  ...sizes('images', 'steps', 'inH', 'inW', 'outC'),
  delta: reads(WinogradWord.Delta),
  scratch: writes(WinogradWord.Scratch),
  planeBytes: number(WinogradWord.PlaneBytes),
})

export const winogradKernelTransform = record(Op.WinogradKernelTransform, {
  ...sizes('inC', 'outC', ...weightSize),
  weight: reads(WinogradWord.Weight),
  scratch: writes(WinogradWord.Scratch),
})

/** `scratch` has the kernels (`kernelFirst`, and it reads `delta`) or the tiles (and `weight`). */
export const winogradInputGradient = record(Op.WinogradInputGradient, {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC', ...weightSize),
  kernelFirst: flag(WinogradWord.KernelFirst),
  scratch: reads(WinogradWord.Scratch),
  planeBytes: numberIf(WinogradWord.PlaneBytes),
  delta: readsIf(WinogradWord.Delta),
  weight: readsIf(WinogradWord.Weight),
  out: writes(WinogradWord.Out),
  rowsPerUnit: number(WinogradWord.RowsPerUnit),
})

export const winogradStrideKernels = record(Op.WinogradStrideKernels, {
  ...sizes('inC', 'outC', ...weightSize),
  weight: reads(WinogradWord.Weight),
  scratch: writes(WinogradWord.Scratch),
})

export const winogradStrideGradient = record(Op.WinogradStrideGradient, {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outH', 'outW', 'outC'),
  scratch: reads(WinogradWord.Scratch),
  delta: reads(WinogradWord.Delta),
  out: writes(WinogradWord.Out),
  rowsPerUnit: number(WinogradWord.RowsPerUnit),
})

export const winogradWeightTransform = record(Op.WinogradWeightTransform, {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC'),
  in: reads(WinogradWord.In),
  delta: reads(WinogradWord.Delta),
  scratch: writes(WinogradWord.Scratch),
  planeBytes: number(WinogradWord.PlaneBytes),
})

/**
 * Without splits it multiplies the tiles in `scratch` and writes `out` (or adds to it). With them
 * it transforms tiles of `in` and `delta` itself and writes `partial`, which is then summed.
 */
export const winogradWeightGradient = record(Op.WinogradWeightGradient, {
  ...sizes('images', 'steps', 'inH', 'inW', 'inC', 'outC', ...weightSize),
  inCPerUnit: number(WinogradWord.InCPerUnit),
  outCPerUnit: number(WinogradWord.OutCPerUnit),
  scale: f32(WinogradWord.Scale),
  scratch: readsIf(WinogradWord.Scratch),
  planeBytes: numberIf(WinogradWord.PlaneBytes),
  out: writesOrAddsIf(WinogradWord.Out, 'accumulate'),
  accumulate: flagIf(WinogradWord.Accumulate),
  splits: numberIf(WinogradWord.Splits),
  rowsPerUnit: numberIf(WinogradWord.RowsPerUnit),
  in: readsIf(WinogradWord.In),
  delta: readsIf(WinogradWord.Delta),
  partial: writesIf(WinogradWord.Partial),
})
