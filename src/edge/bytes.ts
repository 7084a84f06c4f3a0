/** Weights as the file holds them: without padding, and as bytes with their scales. */

import type { Blocks } from '../plan/layout.js'
import { byteOf, scaleOf } from '../plan/quantise.js'

/** A row of a weight's block that holds numbers. */
interface Row {
  /** Index of its first element as stored. */
  readonly at: number
  /** Output channel of its first element, and elements. */
  readonly channel: number
  readonly count: number
}

/** A weight as stored, by `groups` of output channels. */
export interface GroupedBlocks extends Blocks {
  readonly groups: number
}

/** Elements of a weight without padding. */
export const elementsOf = ({ columns, taps, inRows }: Blocks): number => columns * taps * inRows

/** Elements of a weight as stored. */
export const storedOf = ({ columns, width, blockRows }: Blocks): number =>
  Math.ceil(columns / width) * blockRows * width

/** Rows in the order of the memory, which is that of the file. */
export function* rowsOf({ columns, width, taps, inRows, inC, blockRows, groups }: GroupedBlocks) {
  for (let block = 0; block * width < columns; block++) {
    const count = Math.min(width, columns - block * width)
    for (let tap = 0; tap < taps; tap++) {
      const channel = Math.floor((tap * groups) / taps) * columns + block * width
      for (let row = 0; row < inRows; row++)
        yield { at: (block * blockRows + tap * inC + row) * width, channel, count } satisfies Row
    }
  }
}

/** A stored weight as bytes without padding, and the scale of each output channel. */
export function quantiseStored(
  stored: Float32Array,
  blocks: GroupedBlocks,
): { numbers: Int8Array; scales: Float32Array } {
  const scales = new Float32Array(blocks.columns * blocks.groups)
  for (const { at, channel, count } of rowsOf(blocks))
    for (let j = 0; j < count; j++)
      scales[channel + j] = Math.max(scales[channel + j], Math.abs(stored[at + j]))
  scales.forEach((most, n) => {
    scales[n] = scaleOf(most)
  })
  const numbers = new Int8Array(elementsOf(blocks))
  let i = 0
  for (const { at, channel, count } of rowsOf(blocks))
    for (let j = 0; j < count; j++) numbers[i++] = byteOf(stored[at + j], scales[channel + j])
  return { numbers, scales }
}
