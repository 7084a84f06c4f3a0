/** Multiplication by constants. */

import { ScaledRecord } from '../generated/records'
import { multiplyRow } from './rows'

/**
 * Out [P][T][C] = In · Factor [pixel mod factorPixels][C], forward and backward. Unit =
 * pixelsPerUnit pixels. Scratch: none.
 */
export function scaled(rec: ScaledRecord, unit: i32, t: i32, scratch: usize): void {
  const row = rec.channels << 2
  const T = rec.steps
  const per = rec.pixelsPerUnit
  const end = min(rec.pixels, (unit + 1) * per)
  const factorPixels = rec.factorPixels
  for (let pixel = unit * per; pixel < end; pixel++) {
    const factor = rec.factor + <usize>(pixel % factorPixels) * row
    const first = <usize>pixel * T * row
    for (let at = first; at < first + T * row; at += row)
      multiplyRow(rec.out + at, rec.in + at, factor, row)
  }
}
