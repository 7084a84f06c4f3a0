/** Sums over time and of scalars. */

import { Op, SumScalarsWord, TimeSumWord, TraceWord } from '../../../assembly/opcodes.js'
import { carries, f32, number, reads, record, writes } from './schema.js'

export const timeSum = record(Op.TimeSum, {
  in: reads(TimeSumWord.In),
  out: writes(TimeSumWord.Out),
  pixels: number(TimeSumWord.Pixels),
  channels: number(TimeSumWord.C),
  steps: number(TimeSumWord.T),
  pixelsPerUnit: number(TimeSumWord.PixelsPerUnit),
})

export const trace = record(Op.Trace, {
  in: reads(TraceWord.In),
  out: carries(TraceWord.Out),
  pixels: number(TraceWord.Pixels),
  channels: number(TraceWord.C),
  pixelsPerUnit: number(TraceWord.PixelsPerUnit),
  lambda: f32(TraceWord.Lambda),
})

export const sumScalars = record(Op.SumScalars, {
  in: reads(SumScalarsWord.In),
  out: writes(SumScalarsWord.Out),
  count: number(SumScalarsWord.Count),
})
