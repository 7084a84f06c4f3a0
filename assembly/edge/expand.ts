/** Weights of exported networks: stored without padding, spread when the module starts. */

import { ExpandWord } from '../opcodes'

/**
 * Spreads `count` tensors in place. The file holds the numbers of a tensor without gaps at the end
 * of its own memory; they move forward, so that no number is overwritten before it was read. A
 * tensor becomes [Blocks][BlockRows][Width]: Taps times InC rows of which InRows are real, then
 * zeros; the last block has fewer real columns.
 *
 * table: `count` entries of `ExpandWord`.
 */
export function edgeExpand(table: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const columns = load<i32>(table, ExpandWord.Columns * 4)
    const width = load<i32>(table, ExpandWord.Width * 4)
    const taps = load<i32>(table, ExpandWord.Taps * 4)
    const real = load<i32>(table, ExpandWord.InRows * 4)
    const stored = load<i32>(table, ExpandWord.InC * 4)
    const blockRows = load<i32>(table, ExpandWord.BlockRows * 4)
    let from = <usize>load<u32>(table, ExpandWord.From * 4)
    let to = <usize>load<u32>(table, ExpandWord.To * 4)
    for (let first = 0; first < columns; first += width) {
      const count = min(width, columns - first)
      const rest = (<usize>(width - count)) << 2
      for (let tap = 0; tap < taps; tap++) {
        for (let row = 0; row < real; row++) {
          memory.copy(to, from, (<usize>count) << 2)
          from += (<usize>count) << 2
          to += (<usize>count) << 2
          memory.fill(to, 0, rest)
          to += rest
        }
        const gap = (<usize>((stored - real) * width)) << 2
        memory.fill(to, 0, gap)
        to += gap
      }
      const gap = (<usize>((blockRows - taps * stored) * width)) << 2
      memory.fill(to, 0, gap)
      to += gap
    }
    table += ExpandWord.Bytes
  }
}
