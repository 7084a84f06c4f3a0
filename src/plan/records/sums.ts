/** Sums over time and of scalars. */

import {
  carries,
  copies,
  f32,
  flagIf,
  number,
  reads,
  record,
  size,
  writes,
  writesIf,
  writesOrAdds,
} from './schema.js'

/** Sum over T of a gradient; unit = chunk of pixels. */
export const timeSum = record('TimeSum', 42, copies, {
  in: reads(5),
  out: writesOrAdds(4, 'loop'),
  pixels: number(6),
  channels: size(7),
  steps: number(8),
  pixelsPerUnit: number(9),
  /** Non-zero: Out is added to at steps t > 0 of an outer loop. */
  loop: flagIf(10),
})

/** Presynaptic trace (OTTT): Out = λ Out + In; unit = chunk of pixels. */
export const trace = record('Trace', 45, copies, {
  in: reads(5),
  out: carries(4),
  pixels: number(6),
  channels: size(7),
  pixelsPerUnit: number(8),
  /** Λ. */
  lambda: f32(9),
  steps: number(10),
})

/** Gradients of traces as those of single spikes; unit = chunk of pixels. */
export const traceGradient = record('TraceGradient', 71, copies, {
  /** Float tensors [P][T][C]: the gradients of traces, and what a spike at each step meets. */
  delta: reads(4),
  out: writes(5),
  /** [P][C]: what the trace from before the call meets, or 0. */
  before: writesIf(6),
  pixels: number(7),
  channels: size(8),
  pixelsPerUnit: number(9),
  /** Λ. */
  lambda: f32(10),
  steps: size(11),
})

/** Out[0] = Σ In[0 … Count − 1], in order; one unit. */
export const sumScalars = record('SumScalars', 54, copies, {
  in: reads(5),
  out: writes(4),
  count: number(6),
})
