/** Convolutions by groups of channels. */

import { GroupedWord, Op } from '../../../assembly/opcodes.js'
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

const groups = {
  groups: number(GroupedWord.Groups),
  groupIn: number(GroupedWord.GroupIn),
  groupOut: number(GroupedWord.GroupOut),
}

const rows = {
  ...sizes('steps', ...inputSize, ...outputSize, ...window),
  ...groups,
  depthwise: flag(GroupedWord.Depthwise),
}

const input = {
  in: readsInput(GroupedWord.In),
  inIndirect: flag(GroupedWord.InIndirect),
  inPixelBytes: number(GroupedWord.InPixelBytes),
  inStepBytes: number(GroupedWord.InStepBytes),
  inLoopBytes: number(GroupedWord.InLoopBytes),
}

const forward = {
  ...rows,
  weight: reads(GroupedWord.Weight),
  bias: readsIf(GroupedWord.Bias),
  out: writes(GroupedWord.Out),
  rowsPerUnit: number(GroupedWord.RowsPerUnit),
}

export const groupedForward = record(Op.GroupedForward, { ...forward, ...input })

export const groupedSpikes = record(Op.GroupedSpikes, {
  ...forward,
  masks: reads(GroupedWord.Masks),
  planeBytes: number(GroupedWord.PlaneBytes),
})

export const groupedTranspose = record(Op.GroupedTranspose, {
  ...sizes('kernelH', 'kernelW'),
  ...groups,
  weight: reads(GroupedWord.Weight),
  transposed: writes(GroupedWord.Transposed),
})

/** Depthwise it reads `weight`, else `transposed`. */
export const groupedInputGradient = record(Op.GroupedInputGradient, {
  ...rows,
  delta: reads(GroupedWord.Delta),
  weight: readsIf(GroupedWord.Weight),
  transposed: readsIf(GroupedWord.Transposed),
  out: writes(GroupedWord.Out),
  rowsPerUnit: number(GroupedWord.RowsPerUnit),
})

/** With one split it writes `out` (or adds to it), with more `partial`, which is then summed. */
export const groupedWeightGradient = record(Op.GroupedWeightGradient, {
  ...rows,
  ...input,
  delta: reads(GroupedWord.Delta),
  out: writesOrAddsIf(GroupedWord.Out, 'accumulate'),
  accumulate: flagIf(GroupedWord.Accumulate),
  partial: writesIf(GroupedWord.Partial),
  splits: number(GroupedWord.Splits),
  scale: f32(GroupedWord.Scale),
})

const withoutGroups = { ...sizes('inC', ...weightSize, 'kernelH', 'kernelW'), ...groups }

export const groupedExpand = record(Op.GroupedExpand, {
  ...withoutGroups,
  weight: reads(GroupedWord.Weight),
  dense: writes(GroupedWord.Dense),
})

export const groupedExtract = record(Op.GroupedExtract, {
  ...withoutGroups,
  dense: reads(GroupedWord.Dense),
  out: writesOrAdds(GroupedWord.Out, 'accumulate'),
  accumulate: flagIf(GroupedWord.Accumulate),
})
