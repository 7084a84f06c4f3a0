/** Batch normalisation: statistics forward, gradients backward. */

import { AllTimeWord, NormWord, Op } from '../../../assembly/opcodes.js'
import {
  carries,
  carriesIf,
  f32,
  flag,
  flagIf,
  number,
  numberIf,
  reads,
  readsIf,
  record,
  updates,
  updatesIf,
  writes,
  writesOrAddsIf,
} from './schema.js'

const shape = { channels: number(NormWord.C), groups: number(NormWord.Groups) }
/** Rows that units share out between them. */
const rows = {
  ...shape,
  rows: number(NormWord.Rows),
  rowsPerUnit: number(NormWord.RowsPerUnit),
}
/** Partial sums of chunks of rows, added up. */
const finish = {
  ...shape,
  rows: number(NormWord.Rows),
  units: number(NormWord.Units),
  partial: reads(NormWord.Partial),
  weight: readsIf(NormWord.Weight),
}
/** y = scale·x + shift. */
const affine = {
  weight: readsIf(NormWord.Weight),
  bias: readsIf(NormWord.Bias),
  epsilon: f32(NormWord.Epsilon),
  scale: writes(NormWord.Scale),
  shift: writes(NormWord.Shift),
}
/** x̂, or what it is computed from. */
const normalised = {
  xhat: readsIf(NormWord.Xhat),
  in: readsIf(NormWord.In),
  mean: readsIf(NormWord.Mean),
  invStd: readsIf(NormWord.InvStd),
}

export const normStatistics = record(Op.NormStatistics, {
  ...rows,
  in: reads(NormWord.In),
  partial: writes(NormWord.Partial),
})

export const normFinish = record(Op.NormFinish, {
  ...finish,
  ...affine,
  repeats: number(NormWord.Repeats),
  moves: numberIf(NormWord.Moves),
  momentum: f32(NormWord.Momentum),
  runningMean: updatesIf(NormWord.RunningMean),
  runningVar: updatesIf(NormWord.RunningVar),
  mean: writes(NormWord.Mean),
  invStd: writes(NormWord.InvStd),
  meanInvStd: carriesIf(NormWord.MeanInvStd),
  totalSteps: number(NormWord.TotalSteps),
})

export const normAllTime = record(Op.NormAllTime, {
  channels: number(AllTimeWord.C),
  realChannels: number(AllTimeWord.RealC),
  groups: number(AllTimeWord.Groups),
  weight: readsIf(AllTimeWord.Weight),
  bias: readsIf(AllTimeWord.Bias),
  runningMean: updates(AllTimeWord.RunningMean),
  runningVar: updates(AllTimeWord.RunningVar),
  mean: reads(AllTimeWord.Mean),
  invStd: reads(AllTimeWord.InvStd),
  scale: updates(AllTimeWord.Scale),
  shift: updates(AllTimeWord.Shift),
  frozen: carries(AllTimeWord.Frozen),
  totals: carries(AllTimeWord.Totals),
  epsilon: f32(AllTimeWord.Epsilon),
  momentum: f32(AllTimeWord.Momentum),
  bound: f32(AllTimeWord.Bound),
  totalSteps: number(AllTimeWord.TotalSteps),
  moves: numberIf(AllTimeWord.Moves),
  used: writes(AllTimeWord.Used),
  byLayer: flagIf(AllTimeWord.ByLayer),
})

export const normEvaluate = record(Op.NormEvaluate, {
  ...shape,
  ...affine,
  runningMean: reads(NormWord.RunningMean),
  runningVar: reads(NormWord.RunningVar),
})

export const normBackwardReduce = record(Op.NormBackwardReduce, {
  ...rows,
  ...normalised,
  delta: reads(NormWord.Delta),
  partial: writes(NormWord.Partial),
})

export const normBackwardFinish = record(Op.NormBackwardFinish, {
  ...finish,
  invStd: readsIf(NormWord.InvStd),
  /** Takes the place of `invStd`. */
  meanInvStd: readsIf(NormWord.MeanInvStd),
  /** All-time normalisation: takes the place of `invStd` too; then `mean` is read. */
  used: readsIf(NormWord.Used),
  mean: readsIf(NormWord.Mean),
  coefficients: writes(NormWord.Coefficients),
  weightGradient: writesOrAddsIf(NormWord.WeightGradient, 'accumulate'),
  biasGradient: writesOrAddsIf(NormWord.BiasGradient, 'accumulate'),
  accumulate: flag(NormWord.Accumulate),
})

export const normBackwardApply = record(Op.NormBackwardApply, {
  ...rows,
  ...normalised,
  delta: reads(NormWord.Delta),
  coefficients: reads(NormWord.Coefficients),
  out: writes(NormWord.Out),
})
