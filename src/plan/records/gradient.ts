/** Gradients that arrive from several readers: their sum, times a factor of each neuron or not. */

import {
  copies,
  entries,
  entry,
  type FieldsOf,
  f32,
  number,
  reads,
  record,
  runsAs,
  size,
  writes,
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
