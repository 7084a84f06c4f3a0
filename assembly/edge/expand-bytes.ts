/** Weights of exported networks in bytes: stored without padding, spread when the module starts. */

import { ExpandWord } from '../opcodes'

/**
 * Spreads `count` tensors of bytes in place, in the order of `edgeExpand`. A tensor with scales
 * becomes float32, to = from · scale of the output channel; one without stays bytes. Numbers move
 * forward, so that none is overwritten before it was read.
 *
 * table: `count` entries of `ExpandWord`.
 */
export function edgeExpandBytes(table: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const columns = load<i32>(table, ExpandWord.Columns * 4)
    const width = load<i32>(table, ExpandWord.Width * 4)
    const taps = load<i32>(table, ExpandWord.Taps * 4)
    const real = load<i32>(table, ExpandWord.InRows * 4)
    const stored = load<i32>(table, ExpandWord.InC * 4)
    const blockRows = load<i32>(table, ExpandWord.BlockRows * 4)
    const groupTaps = load<i32>(table, ExpandWord.GroupTaps * 4)
    const scales = <usize>load<u32>(table, ExpandWord.Scales * 4)
    const shift: usize = scales != 0 ? 2 : 0
    let from = <usize>load<u32>(table, ExpandWord.From * 4)
    let to = <usize>load<u32>(table, ExpandWord.To * 4)
    for (let first = 0; first < columns; first += width) {
      const count = min(width, columns - first)
      const rest = (<usize>(width - count)) << shift
      for (let tap = 0; tap < taps; tap++) {
        const scale = scales + ((<usize>((tap / groupTaps) * columns + first)) << 2)
        for (let row = 0; row < real; row++) {
          if (scales != 0) scaleRow(to, from, scale, count)
          else memory.copy(to, from, count)
          from += count
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
