/** i8x16.shuffle: bytes of two vectors in any order. */

import { type Expression, i32 } from '../../kernels/wasm/ir.js'
import { op } from './bytes.js'
import { isUniform, type Keep, type Vector } from './lanes.js'

/** For each word of the result the word of the operands that it is; undefined if it is none. */
export function wholeWords(lanes: readonly number[]): number[] | undefined {
  const words = [0, 4, 8, 12].map((at) => {
    const first = lanes[at]
    const isWord = first % 4 === 0 && [1, 2, 3].every((k) => lanes[at + k] === first + k)
    return isWord ? first / 4 : -1
  })
  return words.includes(-1) ? undefined : words
}

/** Words of two vectors in another order. One that is there several times is kept. */
export function shuffledWords(
  [a, b]: readonly Vector[],
  words: readonly number[],
  keep: Keep,
): Expression[] {
  const lanes = [...a.lanes, ...b.lanes]
  if (!isUniform(a.lanes) || !isUniform(b.lanes))
    for (const w of new Set(words))
      if (words.indexOf(w) !== words.lastIndexOf(w)) lanes[w] = keep(lanes[w])
  return words.map((w) => lanes[w])
}

/** @param words the eight words of the operands */
export function shuffle(
  words: readonly Expression[],
  lanes: readonly number[],
  keep: Keep,
): Expression[] {
  const kept = new Map<number, Expression>()
  const word = (w: number): Expression => {
    const e = kept.get(w) ?? keep(words[w])
    kept.set(w, e)
    return e
  }
  return [0, 4, 8, 12].map((at) => gather(lanes.slice(at, at + 4), word))
}

/** A word of four bytes, those together that come from one word and move by the same distance. */
function gather(bytes: readonly number[], word: (w: number) => Expression): Expression {
  const groups = new Map<string, { from: number; up: number; mask: number }>()
  bytes.forEach((byte, k) => {
    const from = byte >> 2
    const up = (k - (byte & 3)) * 8
    const key = `${from}:${up}`
    const group = groups.get(key) ?? { from, up, mask: 0 }
    group.mask |= 0xff << (k * 8)
    groups.set(key, group)
  })
  return [...groups.values()]
    .map(({ from, up, mask }) => {
      const e = word(from)
      const moved = up > 0 ? op('shl', e, i32(up)) : up < 0 ? op('shr_u', e, i32(-up)) : e
      // What the shift itself clears needs no mask.
      const all = up > 0 ? -1 << up : up < 0 ? -1 >>> -up : -1
      return (all | 0) === (mask | 0) ? moved : op('and', moved, i32(mask))
    })
    .reduce((a, b) => op('or', a, b))
}
