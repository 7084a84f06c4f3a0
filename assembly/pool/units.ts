/** The pixels of a unit of the operations in this folder. */

import { word } from '../base/record'
import { PoolWord } from '../opcodes'

/** The pixel behind a unit's last. */
// @ts-ignore: decorator
@inline
export function endOf(rec: usize, unit: i32): i32 {
  return min(
    word(rec, PoolWord.Images) * word(rec, PoolWord.H) * word(rec, PoolWord.W),
    (unit + 1) * word(rec, PoolWord.PixelsPerUnit),
  )
}
