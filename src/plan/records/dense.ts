/** Dense convolutions on any input, and on few input channels. */

import { DenseWord, Op } from '../../../assembly/opcodes.js'
import { inputSize, outputSize, sizes, weightSize, window } from './conv.js'
import {
  f32,
  flag,
  flagIf,
  number,
  reads,
  readsIf,
  readsInput,
  record,
  writes,
  writesIf,
  writesOrAdds,
  writesOrAddsIf,
} from './schema.js'

/** Where a dense kernel reads its input. */
const input = {
  in: readsInput(DenseWord.In),
  inIndirect: flag(DenseWord.InIndirect),
  inPixelBytes: number(DenseWord.InPixelBytes),
  inStepBytes: number(DenseWord.InStepBytes),
  inLoopBytes: number(DenseWord.InLoopBytes),
}

const forward = {
  ...input,
  weight: reads(DenseWord.Weight),
  bias: readsIf(DenseWord.Bias),
  zeros: reads(DenseWord.Zeros),
  out: writes(DenseWord.Out),
  rowsPerUnit: number(DenseWord.RowsPerUnit),
}

const narrow = { pixelsPerChunk: number(DenseWord.PixelsPerChunk) }

export const convDense = record(Op.ConvDense, {
  ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window),
  ...forward,
})

/** Unlike the others it takes a unit's image from its number: there is no word for how many. */
export const convNarrow = record(Op.ConvNarrow, {
  ...sizes('steps', ...inputSize, 'outH', 'outW', 'outC', ...weightSize, ...window),
  ...forward,
  ...narrow,
})

export const transposeWeight = record(Op.TransposeWeight, {
  ...sizes('inC', 'outC', ...weightSize, 'kernelH', 'kernelW'),
  weight: reads(DenseWord.Weight),
  transposed: writes(DenseWord.Transposed),
})

export const convInputGradient = record(Op.ConvInputGradient, {
  ...sizes('steps', ...inputSize, ...outputSize, ...window),
  delta: reads(DenseWord.Delta),
  transposed: reads(DenseWord.Transposed),
  zeros: reads(DenseWord.Zeros),
  out: writesOrAdds(DenseWord.Out, 'accumulate'),
  accumulate: flagIf(DenseWord.Accumulate),
  rowsPerUnit: number(DenseWord.RowsPerUnit),
})

/** With one split it writes `out` (or adds to it), with more `partial`, which is then summed. */
const weightGradient = {
  ...sizes('steps', ...inputSize, ...outputSize, ...weightSize, ...window),
  ...input,
  delta: reads(DenseWord.Delta),
  out: writesOrAddsIf(DenseWord.Out, 'accumulate'),
  accumulate: flagIf(DenseWord.Accumulate),
  partial: writesIf(DenseWord.Partial),
  splits: number(DenseWord.Splits),
  scale: f32(DenseWord.Scale),
}

export const convWeightGradient = record(Op.ConvWeightGradient, {
  ...weightGradient,
  kPerUnit: number(DenseWord.KPerUnit),
})

export const narrowWeightGradient = record(Op.NarrowWeightGradient, {
  ...weightGradient,
  ...narrow,
  rowsPerUnit: number(DenseWord.RowsPerUnit),
  packed: flag(DenseWord.Packed),
})

export const reduceSplits = record(Op.ReduceSplits, {
  ...sizes('outC', 'kRows'),
  partial: reads(DenseWord.Partial),
  splits: number(DenseWord.Splits),
  kPerUnit: number(DenseWord.KPerUnit),
  out: writesOrAdds(DenseWord.Out, 'accumulate'),
  accumulate: flagIf(DenseWord.Accumulate),
})

export const biasGradient = record(Op.BiasGradient, {
  ...sizes('steps', ...outputSize),
  delta: reads(DenseWord.Delta),
  out: writesOrAdds(DenseWord.Out, 'accumulate'),
  accumulate: flagIf(DenseWord.Accumulate),
})
