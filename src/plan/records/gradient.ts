/** Gradients that arrive from several readers: their sum, times a factor of each neuron or not. */

import { ContributionWord, NeuronBackWord, Op } from '../../../assembly/opcodes.js'
import { entries, type Fields, f32, number, reads, record, writes } from './schema.js'

const contribution = {
  from: reads(ContributionWord.Address),
  outH: number(ContributionWord.OutH),
  outW: number(ContributionWord.OutW),
  kernelH: number(ContributionWord.KernelH),
  kernelW: number(ContributionWord.KernelW),
  strideH: number(ContributionWord.StrideH),
  strideW: number(ContributionWord.StrideW),
  padH: number(ContributionWord.PadH),
  padW: number(ContributionWord.PadW),
  scale: f32(ContributionWord.Scale),
  stepBytes: number(ContributionWord.StepBytes),
  pixelBytes: number(ContributionWord.PixelBytes),
}
export type ContributionFields = Fields<typeof contribution>

/** A table of contributions at this word. */
export const contributions = (word: number) => entries(word, contribution, ContributionWord.Bytes)

const sum = {
  out: writes(NeuronBackWord.Out),
  contributions: contributions(NeuronBackWord.Contributions),
  contributionCount: number(NeuronBackWord.ContributionCount),
  pixelsPerRun: number(NeuronBackWord.PixelsPerRun),
  pixels: number(NeuronBackWord.Pixels),
  height: number(NeuronBackWord.H),
  width: number(NeuronBackWord.W),
  channels: number(NeuronBackWord.C),
  pixelsPerUnit: number(NeuronBackWord.PixelsPerUnit),
  steps: number(NeuronBackWord.T),
}
const product = { ...sum, factor: reads(NeuronBackWord.Factor) }

export const gradientSum = record(Op.GradientSum, sum)
export const neuronBackwardRate = record(Op.NeuronBackwardRate, product)
export const neuronBackwardOnline = record(Op.NeuronBackwardOnline, product)
