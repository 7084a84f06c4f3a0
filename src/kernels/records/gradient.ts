/** Gradients that arrive from several readers: their sum, times a factor of each neuron or not. */

import * as word from './schema.js'
import { copies, entries, entry, type FieldsOf, record, runsAs } from './schema.js'

export const contribution = entry(64, {
  from: word.reads(0),
  /** Size of the gradient tensor. */
  outH: word.number(1),
  outW: word.number(2),
  kernelH: word.size(3),
  kernelW: word.size(4),
  strideH: word.number(5),
  strideW: word.number(6),
  padH: word.number(7),
  padW: word.number(8),
  scale: word.f32(9),
  /** Bytes between steps of Address; 0: the same gradient at every step. */
  stepBytes: word.size(10),
  /** Bytes between pixels of Address. */
  pixelBytes: word.size(11),
})
export type ContributionFields = FieldsOf<typeof contribution>

/** A table of contributions at this word. */
export const contributions = (word: number) => entries(word, contribution)

const sum = {
  /** Float tensor [P][T][C]. */
  out: word.writes(4),
  contributions: contributions(6),
  contributionCount: word.size(7),
  /** Pixels to which all contributions are added before the next ones. */
  pixelsPerRun: word.size(14),
  pixels: word.size(8),
  height: word.size(9),
  width: word.size(10),
  channels: word.size(11),
  pixelsPerUnit: word.size(12),
  /** Rows per pixel: 1 in the rate method. */
  steps: word.size(13),
}
const product = {
  ...sum /** Factor [P][C] (eligibility, or h' at one step), or 0. */,
  factor: word.reads(5),
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
  in: word.reads(5),
  out: word.writesOrAdds(4, 'loop'),
  pixels: word.number(6),
  channels: word.size(7),
  steps: word.number(8),
  pixelsPerUnit: word.number(9),
  /** Non-zero: Out is added to at steps t > 0 of an outer loop. */
  loop: word.flagIf(10),
})

/** Presynaptic trace (OTTT): Out = λ Out + In; unit = chunk of pixels. */
export const trace = record('Trace', 45, copies, {
  in: word.reads(5),
  out: word.carries(4),
  pixels: word.number(6),
  channels: word.size(7),
  pixelsPerUnit: word.number(8),
  /** Λ. */
  lambda: word.f32(9),
  steps: word.number(10),
})

/** Gradients of traces as those of single spikes; unit = chunk of pixels. */
export const traceGradient = record('TraceGradient', 71, copies, {
  /** Float tensors [P][T][C]: the gradients of traces, and what a spike at each step meets. */
  delta: word.reads(4),
  out: word.writes(5),
  /** [P][C]: what the trace from before the call meets, or 0. */
  before: word.writesIf(6),
  pixels: word.number(7),
  channels: word.size(8),
  pixelsPerUnit: word.number(9),
  /** Λ. */
  lambda: word.f32(10),
  steps: word.size(11),
})

/** Out[0] = Σ In[0 … Count − 1], in order; one unit. */
export const sumScalars = record('SumScalars', 54, copies, {
  in: word.reads(5),
  out: word.writes(4),
  count: word.number(6),
})
