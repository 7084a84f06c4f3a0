/** The optimizer's step, and what gradients that add up start from. */

import { ClearWord, Op, SgdWord } from '../../../assembly/opcodes.js'
import { flag, number, reads, record, updates, writes } from './schema.js'

export const sgd = record(Op.Sgd, {
  parameters: updates(SgdWord.Parameters),
  gradients: reads(SgdWord.Gradients),
  velocities: updates(SgdWord.Velocities),
  count: number(SgdWord.Count),
  perUnit: number(SgdWord.PerUnit),
  otherDecay: flag(SgdWord.OtherDecay),
})

export const clear = record(Op.Clear, {
  out: writes(ClearWord.Out),
  floats: number(ClearWord.Floats),
  perUnit: number(ClearWord.PerUnit),
})
