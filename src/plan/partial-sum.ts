/** Sums of partial gradients. */

import { budgets } from './budgets.js'
import type { ProgramBuilder } from './program.js'
import { reduceSplits } from './records/dense.js'
import type { FieldsOf } from './records/schema.js'

type Sum = FieldsOf<typeof reduceSplits>
type Parts = Pick<Sum, 'partial' | 'splits' | 'out' | 'accumulate'>

/** Adds up the rows of k that parts have, up to `most` of them by a unit. */
export function emitPartialSum(
  b: ProgramBuilder,
  kRows: number,
  of: Parts & Pick<Sum, 'outC'>,
  most = budgets.kPerUnit,
): void {
  const kPerUnit = Math.min(most, kRows)
  b.emit(reduceSplits, Math.ceil(kRows / kPerUnit), { kRows, kPerUnit, ...of })
}

/** Adds up so many floats of each part, as rows of four. */
export const emitFloatSum = (b: ProgramBuilder, floats: number, of: Parts): void =>
  emitPartialSum(b, floats / 4, { outC: 4, ...of }, budgets.sumFloats / 4)
