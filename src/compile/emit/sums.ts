/** Records of sums: over time steps, and of the parts that units made. */

import { reduceSplits } from '../../kernels/records/dense.js'
import { timeSum } from '../../kernels/records/gradient.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { budgets, inUnits } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'

/** Adds up the rows of each pixel. */
export function emitTimeSum(
  b: ProgramBuilder,
  fields: Omit<FieldsOf<typeof timeSum>, 'pixelsPerUnit'>,
): void {
  const { units, pixelsPerUnit } = inUnits(fields.pixels, fields.channels * fields.steps)
  b.emit(timeSum, units, { ...fields, pixelsPerUnit })
}

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
