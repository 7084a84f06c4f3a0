/** Traces. */

import { Op, PoolWord } from '../../../assembly/opcodes.js'
import { carries, f32, number, reads, record } from './schema.js'

export const trace = record(Op.Trace, {
  in: reads(PoolWord.In),
  out: carries(PoolWord.Out),
  pixels: number(PoolWord.Images),
  height: number(PoolWord.H),
  width: number(PoolWord.W),
  channels: number(PoolWord.C),
  pixelsPerUnit: number(PoolWord.PixelsPerUnit),
  lambda: f32(PoolWord.Factor),
})
