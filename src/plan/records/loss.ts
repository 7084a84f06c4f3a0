/** Ends of a network: its output, and the loss. */

import { LossWord, Op, OutputWord } from '../../../assembly/opcodes.js'
import { carries, f32, flag, number, reads, record, writes, writesIf } from './schema.js'

export const output = record(Op.Output, {
  logits: reads(OutputWord.Logits),
  out: carries(OutputWord.Out),
  predictions: writes(OutputWord.Predictions),
  images: number(OutputWord.Images),
  steps: number(OutputWord.T),
  totalSteps: number(OutputWord.TotalSteps),
  channels: number(OutputWord.C),
  classes: number(OutputWord.Classes),
  stepBytes: number(OutputWord.StepBytes),
})

export const crossEntropy = record(Op.CrossEntropy, {
  logits: reads(LossWord.Logits),
  output: reads(LossWord.Output),
  predictions: reads(LossWord.Predictions),
  losses: carries(LossWord.Losses),
  delta: writesIf(LossWord.Delta),
  images: number(LossWord.Images),
  steps: number(LossWord.T),
  totalSteps: number(LossWord.TotalSteps),
  channels: number(LossWord.C),
  classes: number(LossWord.Classes),
  stepBytes: number(LossWord.StepBytes),
  gradientScale: f32(LossWord.GradientScale),
  mseWeight: f32(LossWord.MseWeight),
  instantaneous: flag(LossWord.Instantaneous),
})
