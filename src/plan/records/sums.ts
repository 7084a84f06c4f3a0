/** Sums over time and of scalars. */

import { Op, SumScalarsWord } from '../../../assembly/opcodes.js'
import { number, reads, record, writes } from './schema.js'

export const sumScalars = record(Op.SumScalars, {
  out: writes(SumScalarsWord.Out),
  in: reads(SumScalarsWord.In),
  count: number(SumScalarsWord.Count),
})
