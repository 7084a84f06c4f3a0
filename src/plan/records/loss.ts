/** Ends of a network: its output, and the loss. */

import { LossWord, Op, OutputWord, RatePenaltyWord } from '../../../assembly/opcodes.js'
import {
  carries,
  f32,
  f32If,
  flag,
  flagIf,
  number,
  reads,
  record,
  writes,
  writesIf,
} from './schema.js'

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

/** What all losses have. */
const shared = {
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
  instantaneous: flag(LossWord.Instantaneous),
}

export const crossEntropy = record(Op.CrossEntropy, {
  ...shared,
  mseWeight: f32(LossWord.MseWeight),
  labelSmoothing: f32If(LossWord.LabelSmoothing),
  outputScale: f32If(LossWord.OutputScale),
})

export const meanSquaredError = record(Op.MeanSquaredError, {
  ...shared,
  outputScale: f32If(LossWord.OutputScale),
  low: f32If(LossWord.Low),
  high: f32If(LossWord.High),
  values: flagIf(LossWord.Values),
})

export const tet = record(Op.Tet, {
  ...shared,
  lambda: f32(LossWord.MseWeight),
  mean: f32(LossWord.Low),
  allSteps: flag(LossWord.AllSteps),
})

export const ratePenalty = record(Op.RatePenalty, {
  counts: reads(RatePenaltyWord.Counts),
  out: writes(RatePenaltyWord.Out),
  partials: writes(RatePenaltyWord.Partials),
  pixels: number(RatePenaltyWord.Pixels),
  stored: number(RatePenaltyWord.C),
  channels: number(RatePenaltyWord.Channels),
  pixelsPerUnit: number(RatePenaltyWord.PixelsPerUnit),
  pixelsPerImage: number(RatePenaltyWord.PixelsPerImage),
  steps: number(RatePenaltyWord.T),
  target: f32(RatePenaltyWord.Target),
  scale: f32(RatePenaltyWord.Scale),
  absolute: flag(RatePenaltyWord.L1),
})
