/** Sums over time and of scalars. */

import {
  Op,
  SumScalarsWord,
  TimeSumWord,
  TraceGradientWord,
  TraceWord,
} from '../../../assembly/opcodes.js'
import {
  carries,
  f32,
  flagIf,
  number,
  reads,
  record,
  writes,
  writesIf,
  writesOrAdds,
} from './schema.js'

export const timeSum = record(Op.TimeSum, {
  in: reads(TimeSumWord.In),
  out: writesOrAdds(TimeSumWord.Out, 'loop'),
  pixels: number(TimeSumWord.Pixels),
  channels: number(TimeSumWord.C),
  steps: number(TimeSumWord.T),
  pixelsPerUnit: number(TimeSumWord.PixelsPerUnit),
  loop: flagIf(TimeSumWord.Loop),
})

export const trace = record(Op.Trace, {
  in: reads(TraceWord.In),
  out: carries(TraceWord.Out),
  pixels: number(TraceWord.Pixels),
  channels: number(TraceWord.C),
  pixelsPerUnit: number(TraceWord.PixelsPerUnit),
  lambda: f32(TraceWord.Lambda),
  steps: number(TraceWord.T),
})

export const traceGradient = record(Op.TraceGradient, {
  delta: reads(TraceGradientWord.Delta),
  out: writes(TraceGradientWord.Out),
  before: writesIf(TraceGradientWord.Before),
  pixels: number(TraceGradientWord.Pixels),
  channels: number(TraceGradientWord.C),
  pixelsPerUnit: number(TraceGradientWord.PixelsPerUnit),
  lambda: f32(TraceGradientWord.Lambda),
  steps: number(TraceGradientWord.T),
})

export const sumScalars = record(Op.SumScalars, {
  in: reads(SumScalarsWord.In),
  out: writes(SumScalarsWord.Out),
  count: number(SumScalarsWord.Count),
})
