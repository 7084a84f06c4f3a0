/** Weights of exported networks: stored without padding, spread when the module starts. */

import { ExpandWord } from '../opcodes'

/**
 * Spreads `count` tensors in place. The file holds the numbers of a tensor without gaps at the end
 * of its own memory; they move forward, so that no number is overwritten before it was read. A
 * tensor becomes [Blocks][BlockRows][Width]: Taps times InC rows of which inRows are real, then
 * zeros; the last block has fewer real columns.
 *
 * table: `count` entries of `ExpandWord`.
 */
export function edgeExpand(table: usize, count: i32): void {
  expandAll(table, count, false)
}

/**
 * The walk of `edgeExpand`, and with `bytes` that of `edgeExpandBytes`. Inlined: each of them keeps
 * only what is its own.
 */
@inline
export function expandAll(table: usize, count: i32, bytes: bool): void {
  for (let i = 0; i < count; i++) {
    const columns = load<i32>(table, ExpandWord.Columns * 4)
    const width = load<i32>(table, ExpandWord.Width * 4)
    const taps = load<i32>(table, ExpandWord.Taps * 4)
    const real = load<i32>(table, ExpandWord.InRows * 4)
    const stored = load<i32>(table, ExpandWord.InC * 4)
    const blockRows = load<i32>(table, ExpandWord.BlockRows * 4)
    const groupTaps = bytes ? load<i32>(table, ExpandWord.GroupTaps * 4) : 1
    const scales: usize = bytes ? <usize>load<u32>(table, ExpandWord.Scales * 4) : 0
    // Elements are 1 << fromShift bytes in the file, 1 << shift in memory.
    const fromShift: usize = bytes ? <usize>load<u32>(table, ExpandWord.Shift * 4) : 2
    const shift: usize = scales != 0 ? 2 : fromShift
    let from = <usize>load<u32>(table, ExpandWord.From * 4)
    let to = <usize>load<u32>(table, ExpandWord.To * 4)
    for (let first = 0; first < columns; first += width) {
      const count = min(width, columns - first)
      const rest = (<usize>(width - count)) << shift
      for (let tap = 0; tap < taps; tap++) {
        const scale = scales + ((<usize>((tap / groupTaps) * columns + first)) << 2)
        for (let row = 0; row < real; row++) {
          if (bytes && scales != 0) scaleRow(to, from, scale, count)
          else memory.copy(to, from, (<usize>count) << fromShift)
          from += (<usize>count) << fromShift
          to += (<usize>count) << shift
          memory.fill(to, 0, rest)
          to += rest
        }
        const gap = (<usize>((stored - real) * width)) << shift
        memory.fill(to, 0, gap)
        to += gap
      }
      const gap = (<usize>((blockRows - taps * stored) * width)) << shift
      memory.fill(to, 0, gap)
      to += gap
    }
    if (bytes) {
      const offset = <u64>load<u32>(table, ExpandWord.Offset * 4)
      const begin = <usize>load<u32>(table, ExpandWord.To * 4)
      if (offset != 0) pairRows(begin, to, <usize>width, offset)
    }
    table += ExpandWord.Bytes
  }
}

/** to float32 [count] = from i8 [count] · scale float32 [count]. */
function scaleRow(to: usize, from: usize, scale: usize, count: i32): void {
  const end = from + count
  for (; from < end; from++) {
    store<f32>(to, <f32>load<i8>(from) * load<f32>(scale))
    to += 4
    scale += 4
  }
}

/**
 * Rows i8 [width] become words of two numbers (spikes/byte-sums.ts), in place. width: up to 32. Up
 * to 12 bytes behind the last row are read.
 */
function pairRows(row: usize, end: usize, width: usize, offset: u64): void {
  const half = width >> 1
  for (; row < end; row += width) {
    let first = load<u64>(row)
    let second = load<u64>(row + half)
    const first8 = load<u64>(row, 8)
    const second8 = load<u64>(row + half, 8)
    for (let i: usize = 0; i < half; i++) {
      if (i == 8) {
        first = first8
        second = second8
      }
      store<u8>(row + 2 * i, <u8>(first + offset))
      store<u8>(row + 2 * i, <u8>second, 1)
      first >>= 8
      second >>= 8
    }
  }
}
