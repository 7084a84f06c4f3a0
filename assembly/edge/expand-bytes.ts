/** Weights of exported networks in bytes: stored without padding, spread when the module starts. */

import { expandAll } from './expand'

/**
 * Spreads `count` tensors in place, in the order of `edgeExpand`, some of them of bytes. With
 * scales these become float32, to = from · scale of the output channel; without they stay bytes,
 * which with an offset become words of two. Numbers move forward, so that none is overwritten
 * before it was read.
 *
 * table: `count` entries of `ExpandWord`.
 */
export function edgeExpandBytes(table: usize, count: i32): void {
  expandAll(table, count, true)
}
