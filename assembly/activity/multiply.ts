/** Products of two values, number by number, and their gradients. */

import { MultiplyRecord, Strides } from '../generated/records'
import { addProduct, addScaledRow, dot } from './rows'

/**
 * Out = Σ of A · B over all pixels and steps of an image that are one place to Out. A factor whose
 * stride is 0 is the same along it. Unit = perUnit pixels of an image; all of them where Out has
 * not all. Scratch: none.
 */
export function multiply(rec: MultiplyRecord, unit: i32, t: i32, scratch: usize): void {
  const a = changetype<Strides>(rec.strides)
  const b = changetype<Strides>(rec.strides + offsetof<Strides>())
  const out = changetype<Strides>(rec.strides + 2 * offsetof<Strides>())
  const per = rec.perUnit
  const units = (rec.pixels + per - 1) / per
  const image = <usize>(unit / units)
  const first = (unit % units) * per
  const end = min(rec.pixels, first + per)
  const row = rec.stored << 2
  const to = rec.out + image * out.image
  const bytes = units == 1 ? out.image : <usize>(end - first) * out.column
  memory.fill(to + <usize>first * out.column, 0, bytes)
  const left = rec.a + image * a.image
  const right = rec.b + image * b.image
  for (let pixel = first; pixel < end; pixel++) {
    const y = <usize>(pixel / rec.columns)
    const x = <usize>(pixel % rec.columns)
    for (let step: usize = 0; step < <usize>rec.steps; step++) {
      const sum = to + y * out.row + x * out.column + step * out.step
      const p = left + y * a.row + x * a.column + step * a.step
      const q = right + y * b.row + x * b.column + step * b.step
      if (out.single) store<f32>(sum, load<f32>(sum) + dot(p, q, row))
      else if (b.single) addScaledRow(sum, p, load<f32>(q), row)
      else addProduct(sum, p, q, row)
    }
  }
}
