/** The chunks of rows that the units of a record take, and the places of their partial sums. */

import { Moments, NormSize, NormWord } from '../opcodes'

/**
 * Rows [C] of the partial sums. Forward: the number of rows of x, x0, Σ d and Σ d² with d = x −
 * x0. Backward (PRODUCT_ROWS): Σ δ and Σ δ·x̂.
 */
export const MOMENT_ROWS: u32 = Moments.Rows
export const PRODUCT_ROWS: u32 = NormSize.ProductRows

/** First row of a chunk that belongs to the group. */
export function firstOfChunk(rec: usize, unit: i32, group: u32): u32 {
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const start = <u32>unit * load<u32>(rec, NormWord.RowsPerUnit * 4)
  return start + ((group + groups - (start % groups)) % groups)
}

/** Number of rows of a chunk that belong to the group. */
export function rowsOfChunk(rec: usize, unit: i32, group: u32): u32 {
  const groups = load<u32>(rec, NormWord.Groups * 4)
  const perUnit = load<u32>(rec, NormWord.RowsPerUnit * 4)
  const end = min(<u32>unit * perUnit + perUnit, load<u32>(rec, NormWord.Rows * 4))
  const first = firstOfChunk(rec, unit, group)
  return first < end ? (end - first + groups - 1) / groups : 0
}

/** Address of the partial sums [rows][C] of a chunk and group. */
export function partialOf(rec: usize, unit: u32, group: u32, rows: u32): usize {
  const index = <usize>unit * load<u32>(rec, NormWord.Groups * 4) + group
  return (
    <usize>load<u32>(rec, NormWord.Partial * 4) +
    ((index * load<u32>(rec, NormWord.C * 4) * rows) << 2)
  )
}

/** One float of a parameter [C], or `otherwise` where there is no parameter. */
// @ts-ignore: decorator
@inline
export function parameterAt(address: u32, c: usize, otherwise: f64): f64 {
  return address ? <f64>load<f32>(<usize>address + (c << 2)) : otherwise
}
