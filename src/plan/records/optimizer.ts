/** The optimizer's step, and what gradients that add up start from. */

import {
  AdamWord,
  BlendWord,
  ClearWord,
  ClipWord,
  NormSumWord,
  Op,
  SgdWord,
  StepStartWord,
} from '../../../assembly/opcodes.js'
import { flag, number, reads, readsIf, record, updates, writes } from './schema.js'

export const sgd = record(Op.Sgd, {
  parameters: updates(SgdWord.Parameters),
  gradients: reads(SgdWord.Gradients),
  velocities: updates(SgdWord.Velocities),
  count: number(SgdWord.Count),
  perUnit: number(SgdWord.PerUnit),
  otherDecay: flag(SgdWord.OtherDecay),
  group: readsIf(SgdWord.Group),
})

export const stepStart = record(Op.StepStart, {
  numbers: updates(StepStartWord.Numbers),
  group: reads(StepStartWord.Group),
})

export const adam = record(Op.Adam, {
  parameters: updates(AdamWord.Parameters),
  gradients: reads(AdamWord.Gradients),
  means: updates(AdamWord.Means),
  squares: updates(AdamWord.Squares),
  count: number(AdamWord.Count),
  perUnit: number(AdamWord.PerUnit),
  numbers: reads(AdamWord.Numbers),
  group: reads(AdamWord.Group),
})

export const squaredNorm = record(Op.SquaredNorm, {
  partial: writes(NormSumWord.Partial),
  in: reads(NormSumWord.In),
  count: number(NormSumWord.Count),
  perUnit: number(NormSumWord.PerUnit),
})

export const clipFinish = record(Op.ClipFinish, {
  numbers: updates(ClipWord.Numbers),
  partial: reads(ClipWord.Partial),
  count: number(ClipWord.Count),
})

export const blend = record(Op.Blend, {
  out: updates(BlendWord.Out),
  in: reads(BlendWord.In),
  count: number(BlendWord.Count),
  perUnit: number(BlendWord.PerUnit),
  factor: reads(BlendWord.Factor),
  keep: readsIf(BlendWord.Keep),
})

export const clear = record(Op.Clear, {
  out: writes(ClearWord.Out),
  floats: number(ClearWord.Floats),
  perUnit: number(ClearWord.PerUnit),
})
