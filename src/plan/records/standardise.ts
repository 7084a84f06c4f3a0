/** Scaled weight standardisation and its gradient. */

import { Op, StandardiseWord } from '../../../assembly/opcodes.js'
import { f32, number, reads, readsIf, record, updates, writes, writesIf } from './schema.js'

const shared = {
  weight: reads(StandardiseWord.Weight),
  gain: readsIf(StandardiseWord.Gain),
  taps: number(StandardiseWord.Taps),
  inC: number(StandardiseWord.InC),
  realC: number(StandardiseWord.RealC),
  blockWidth: number(StandardiseWord.BlockWidth),
  kRows: number(StandardiseWord.KRows),
  epsilon: f32(StandardiseWord.Epsilon),
}

export const weightStandardise = record(Op.WeightStandardise, {
  ...shared,
  out: writes(StandardiseWord.Out),
})

export const weightStandardiseBackward = record(Op.WeightStandardiseBackward, {
  ...shared,
  gradient: updates(StandardiseWord.Gradient),
  gainGradient: writesIf(StandardiseWord.GainGradient),
})
