/** Multiplication by constants. */

import { address, word } from '../base/record'
import { ScaledWord } from '../opcodes'
import { multiplyRow } from './rows'

/**
 * Out [P][T][C] = In · Factor [pixel mod FactorPixels][C], forward and backward. Unit =
 * PixelsPerUnit pixels. Scratch: none.
 */
export function scaled(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const row = (<usize>word(rec, ScaledWord.C)) << 2
  const T = <usize>word(rec, ScaledWord.T)
  const per = word(rec, ScaledWord.PixelsPerUnit)
  const end = min(word(rec, ScaledWord.Pixels), (unit + 1) * per)
  const factorPixels = word(rec, ScaledWord.FactorPixels)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const factor = address(rec, ScaledWord.Factor) + <usize>(pixel % factorPixels) * row
    const first = <usize>pixel * T * row
    for (let at = first; at < first + T * row; at += row)
      multiplyRow(address(rec, ScaledWord.Out) + at, address(rec, ScaledWord.In) + at, factor, row)
  }
}
