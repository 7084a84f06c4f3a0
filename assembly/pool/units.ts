/**
 * The pixels of a unit.
 */

import { word } from '../base/record'
import { PoolWord } from '../opcodes'

/** First and end of a unit's pixels. */
// @ts-ignore: decorator
@inline
export function endOf(rec: usize, unit: i32): i32 {
  return min(
    word(rec, PoolWord.Images) * word(rec, PoolWord.H) * word(rec, PoolWord.W),
    (unit + 1) * word(rec, PoolWord.PixelsPerUnit),
  )
}
