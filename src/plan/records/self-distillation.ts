/** Self-distillation: the loss of a network with several outputs. */

import { ExitWord, LossWord, Op } from '../../../assembly/opcodes.js'
import { entries, f32, number, reads, record, writes, writesIf } from './schema.js'

/** An output. */
const exit = { output: reads(ExitWord.Output), delta: writesIf(ExitWord.Delta) }

export const selfDistillation = record(Op.SelfDistillation, {
  predictions: reads(LossWord.Predictions),
  losses: writes(LossWord.Losses),
  images: number(LossWord.Images),
  channels: number(LossWord.C),
  classes: number(LossWord.Classes),
  gradientScale: f32(LossWord.GradientScale),
  exits: entries(LossWord.Exits, exit, ExitWord.Bytes),
  exitCount: number(LossWord.ExitCount),
  alpha: f32(LossWord.Alpha),
  beta: f32(LossWord.Beta),
  temperature: f32(LossWord.Temperature),
})
