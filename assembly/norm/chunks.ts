/** The chunks of rows that the units of a record take, and the places of their partial sums. */

import { NormRecord } from '../generated/records'
import { Moments, NormSize } from '../opcodes'

/**
 * Rows [C] of the partial sums. Forward: the number of rows of x, x0, Σ d and Σ d² with d = x −
 * x0. Backward (PRODUCT_ROWS): Σ δ and Σ δ·x̂.
 */
export const MOMENT_ROWS: u32 = Moments.Rows
export const PRODUCT_ROWS: u32 = NormSize.ProductRows

/** First row of a chunk that belongs to the group. */
export function firstOfChunk(rec: NormRecord, unit: i32, group: u32): u32 {
  const groups = <u32>rec.groups
  const start = <u32>unit * <u32>rec.rowsPerUnit
  return start + ((group + groups - (start % groups)) % groups)
}

/** Number of rows of a chunk that belong to the group. */
export function rowsOfChunk(rec: NormRecord, unit: i32, group: u32): u32 {
  const groups = <u32>rec.groups
  const perUnit = <u32>rec.rowsPerUnit
  const end = min(<u32>unit * perUnit + perUnit, <u32>rec.rows)
  const first = firstOfChunk(rec, unit, group)
  return first < end ? (end - first + groups - 1) / groups : 0
}

/** Address of the partial sums [rows][C] of a chunk and group. */
export function partialOf(rec: NormRecord, unit: u32, group: u32, rows: u32): usize {
  const index = <usize>unit * <u32>rec.groups + group
  return rec.partial + ((index * <u32>rec.channels * rows) << 2)
}

/** One float of a parameter [C], or `otherwise` where there is no parameter. */
// @ts-ignore: decorator
@inline
export function parameterAt(address: usize, c: usize, otherwise: f64): f64 {
  return address ? <f64>load<f32>(<usize>address + (c << 2)) : otherwise
}
