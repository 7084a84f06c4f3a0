/** Products of matrices that lie in values: channels are rows, pixels columns, or the other way. */

import { MatrixProductRecord, Strides } from '../generated/records'
import { product } from './matmul'

/**
 * Out [pixels][steps][heads · rows, then zeros] = Σ over summands of A [rows][depth] · B
 * [depth][columns] of an image, a step (or those from it on) and a head. Unit = perUnit columns
 * of a head at a step of an image. Scratch: these columns, behind them `matmulScratch`.
 */
export function matrixProduct(rec: MatrixProductRecord, unit: i32, t: i32, scratch: usize): void {
  const a = changetype<Strides>(rec.strides)
  const b = changetype<Strides>(rec.strides + offsetof<Strides>())
  const out = changetype<Strides>(rec.strides + 2 * offsetof<Strides>())
  const per = rec.perUnit
  const rows = rec.rows
  const heads = rec.heads
  const units = (rec.columns + per - 1) / per
  const first = (unit % units) * per
  const head = <usize>((unit / units) % heads)
  const step = <usize>((unit / units / heads) % rec.steps)
  const image = <usize>(unit / units / heads / rec.steps)
  const m = min(per, rec.columns - first)
  const depth = rec.depth
  let from = rec.a + image * a.image + step * a.step + head * a.head
  let by = rec.b + image * b.image + step * b.step + head * b.head + <usize>first * b.column
  const rest = scratch + (((<usize>(rows * per) + 3) & ~3) << 2)
  // Transposed, so that channels of Out are in a row.
  for (let i = 0; i < rec.summands; i++) {
    const more = i > 0
    product(scratch, by, b.column, b.row, from, a.column, a.row, m, rows, depth, rest, more)
    from += a.step
    by += b.step
  }
  const row = (<usize>rows) << 2
  const padding = head == <usize>heads - 1 ? (rec.stored << 2) - <usize>heads * row : 0
  let to = rec.out + image * out.image + step * out.step + <usize>first * out.column + head * row
  for (let n: usize = 0; n < <usize>m; n++) {
    memory.copy(to, scratch + n * row, row)
    memory.fill(to + row, 0, padding)
    to += out.column
  }
}
