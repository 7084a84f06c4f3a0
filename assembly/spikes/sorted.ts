/**
 * Sums of spikes, sorted once for all who read them. Level v of a sum has those steps at which v or
 * more of its sources fire. The levels add up to the sources, with fewer spikes apart from each
 * other: a neuron that fires in several sources has its steps together in few patterns, most of
 * them in the first levels, and so fewer entries in lists.
 */

import { SortedSource, SortRecord } from '../generated/records'

/**
 * `sortSpikes`. Level v of all = Σ over sources of their masks ≥ v, bit by bit, v = 1 …
 * sourceCount. Levels are written; masks and levels u8 [bytes], a multiple of 4. Masks are read 16
 * at a time, so up to 12 bytes behind them are read. entries u32 [units]: how many (byte of a
 * level, group of four steps) have a spike. Unit = bytesPerUnit bytes of a level. Scratch: 128
 * bytes.
 *
 * With Channels levels are those of windows: masks are [images][inH][inW][Channels], each source
 * that of a place in the window, and levels [images][outH][outW][Channels].
 */
export function sortSpikes(rec: SortRecord, unit: i32, t: i32, scratch: usize): void {
  const sources = rec.sources
  const behind = sources + <usize>rec.sourceCount * offsetof<SortedSource>()
  const per = rec.bytesPerUnit
  const first = <usize>unit * <usize>per
  const end = min(first + <usize>per, rec.bytes)
  const channels = <usize>rec.channels
  let entries = 0
  // Side by side lie all bytes, or the channels of a window.
  for (let at = first; at < end; ) {
    const next = channels ? at + channels : end
    const from = channels ? windowAt(rec, <i32>(at / channels)) : at
    for (let i: usize = 0; at + i < next; i += 16) {
      sortVector(scratch, sources, behind, from + i)
      const count = <i32>min<usize>(16, next - at - i)
      entries += storeLevels(scratch, sources, behind, at + i, count)
    }
    at = next
  }
  store<u32>(rec.entries + ((<usize>unit) << 2), entries)
}

/** Where a window begins in its source: bytes from the first. */
// @ts-ignore: decorator
@inline
function windowAt(rec: SortRecord, window: i32): usize {
  const row = window / rec.outW
  const image = row / rec.outH
  const y = (row - image * rec.outH) * rec.strideH
  const x = (window - row * rec.outW) * rec.strideW
  return <usize>(((image * rec.inH + y) * rec.inW + x) * rec.channels)
}

/**
 * levels [8][16] = 16 bytes of all levels, `at` bytes behind their first. Each source goes down the
 * levels: one takes what it does not have yet, and hands on what it has.
 */
export function sortVector(levels: usize, source: usize, behind: usize, at: usize): void {
  const s = locals<v128>(8, i8x16.splat(0))
  do {
    let spikes = v128.load(changetype<SortedSource>(source).masks + at)
    for (let i: unroll = 0; i < 8; i++) {
      const both = v128.and(s[i], spikes)
      s[i] = v128.or(s[i], spikes)
      spikes = both
    }
    source += offsetof<SortedSource>()
  } while (source < behind)
  for (let i: unroll = 0; i < 8; i++) v128.store(levels, s[i], 16 * i)
}

/** Stores the first `count` of 16 bytes of all levels where they belong. Returns their entries. */
function storeLevels(levels: usize, source: usize, behind: usize, at: usize, count: i32): i32 {
  const zero = i8x16.splat(0)
  const own = ((1 << count) - 1) * 0x10001
  let entries = 0
  for (; source < behind; source += offsetof<SortedSource>()) {
    const level = v128.load(levels)
    const to = changetype<SortedSource>(source).level + at
    if (count == 16) v128.store(to, level)
    else memory.copy(to, levels, count)
    const low = i8x16.bitmask(i8x16.ne(v128.and(level, i8x16.splat(0x0f)), zero))
    const high = i8x16.bitmask(i8x16.ne(i8x16.shr_u(level, 4), zero))
    entries += popcnt((low | (high << 16)) & own)
    levels += 16
  }
  return entries
}
