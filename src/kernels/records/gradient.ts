/** Gradients that arrive from several readers: their sum, times a factor of each neuron or not. */

import {
  carries,
  copies,
  entries,
  entry,
  type FieldsOf,
  f32,
  flagIf,
  number,
  reads,
  record,
  runsAs,
  size,
  writes,
  writesIf,
  writesOrAdds,
} from './schema.js'

export const contribution = entry(64, {
  from: reads(0),
  /** Size of the gradient tensor. */
  outH: number(1),
  outW: number(2),
  kernelH: size(3),
  kernelW: size(4),
  strideH: number(5),
  strideW: number(6),
  padH: number(7),
  padW: number(8),
  scale: f32(9),
  /** Bytes between steps of Address; 0: the same gradient at every step. */
  stepBytes: size(10),
  /** Bytes between pixels of Address. */
  pixelBytes: size(11),
})
export type ContributionFields = FieldsOf<typeof contribution>

/** A table of contributions at this word. */
export const contributions = (word: number) => entries(word, contribution)

const sum = {
  /** Float tensor [P][T][C]. */
  out: writes(4),
  contributions: contributions(6),
  contributionCount: size(7),
  /** Pixels to which all contributions are added before the next ones. */
  pixelsPerRun: size(14),
  pixels: size(8),
  height: size(9),
  width: size(10),
  channels: size(11),
  pixelsPerUnit: size(12),
  /** Rows per pixel: 1 in the rate method. */
  steps: size(13),
}
const product = {
  ...sum /** Factor [P][C] (eligibility, or h' at one step), or 0. */,
  factor: reads(5),
}

/** Sum of gradient contributions; unit = chunk of pixels. */
export const gradientSum = record('GradientSum', 43, runsAs('neuronBackwardRate'), sum)
/** Rate: δ = (Σ contributions) ⊙ eligibility; unit = chunk of pixels. */
export const neuronBackwardRate = record('NeuronBackwardRate', 31, copies, product)
/** δ = (Σ contributions) ⊙ h' at one step (online methods). */
export const neuronBackwardOnline = record(
  'NeuronBackwardOnline',
  33,
  runsAs('neuronBackwardRate'),
  product,
)

// Sums over time and of scalars.

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
