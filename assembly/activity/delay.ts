/** Signals that come some steps later. */

import { DelayRecord } from '../generated/records'

/**
 * Out[pixel][step][c] = In of `delay` steps before, 0 before the first step; with Back, of so many
 * steps behind, 0 behind the last, or in another segment of Segment steps. `delay` is Steps, or
 * Delays[c]. t: the call's first step; steps before it are in History, which then gets those of
 * this call. Out has rows of `before` steps more in front. Unit = pixelsPerUnit pixels.
 * Scratch: none.
 */
export function delay(rec: DelayRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const row = (<usize>C) << 2
  const T = rec.steps
  const rows = rec.inRows
  const most = rec.most
  const before = rec.before
  const delays = rec.delays
  const way = rec.back != 0 ? -1 : 1
  const history = rec.history
  const segment = rec.segment
  const start = history ? t : 0
  const per = rec.pixelsPerUnit
  const end = min(rec.pixels, (unit + 1) * per)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const input = rec.in + <usize>(pixel * rows) * row
    const out = rec.out + <usize>(pixel * T + (pixel + 1) * before) * row
    const ring = history + <usize>(pixel * most) * row
    if (history && t == 0) memory.fill(ring, 0, <usize>most * row)
    for (let step = -before; step < T; step++) {
      const to = out + <usize>step * row
      if (delays)
        for (let c = 0; c < C; c++) {
          const by = way * load<i32>(delays + ((<usize>c) << 2))
          const from = sourceOf(step, by, T, rows, start, most, input, ring, row, segment)
          store<f32>(to + ((<usize>c) << 2), from ? load<f32>(from + ((<usize>c) << 2)) : <f32>0)
        }
      else {
        const by = way * rec.by
        const from = sourceOf(step, by, T, rows, start, most, input, ring, row, segment)
        if (from) memory.copy(to, from, row)
        else memory.fill(to, 0, row)
      }
    }
    if (!history) continue
    for (let step = max(0, T - most); step < T; step++)
      memory.copy(
        ring + <usize>((start + step) % most) * row,
        input + (rows == 1 ? 0 : <usize>step * row),
        row,
      )
  }
}

/** The row that a step reads, or 0. */
// @ts-ignore: decorator
@inline
function sourceOf(
  step: i32,
  by: i32,
  T: i32,
  rows: i32,
  start: i32,
  most: i32,
  input: usize,
  ring: usize,
  row: usize,
  segment: i32,
): usize {
  const from = step - by
  if (start + from < 0 || from >= T) return 0
  if (segment && from / segment != step / segment) return 0
  if (from >= 0) return input + (rows == 1 ? 0 : <usize>from * row)
  return ring + <usize>((start + from) % most) * row
}

/**
 * The same of spikes, never back. Counts = the spikes of Out, += at t > 0 of an outer loop. Unit =
 * pixelsPerUnit pixels. Scratch: none.
 */
export function delaySpikes(rec: DelayRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const T = rec.steps
  const most = rec.most
  const ringBytes = <usize>((most + 7) >> 3)
  const delays = rec.delays
  const history = rec.history
  const planeBytes = rec.planeBytes
  const inPlaneBytes = rec.inPlaneBytes
  const counts = rec.counts
  const start = history ? t : 0
  const per = rec.pixelsPerUnit
  const end = min(rec.pixels, (unit + 1) * per)
  for (let pixel = unit * per; pixel < end; pixel++)
    for (let c = 0; c < C; c++) {
      const i = <usize>(pixel * C + c)
      const by = delays ? load<i32>(delays + ((<usize>c) << 2)) : rec.by
      const input = rec.in + i
      const out = rec.out + i
      const ring = history + i * ringBytes
      if (history && t == 0) memory.fill(ring, 0, ringBytes)
      let count: i32 = counts && history && t > 0 ? load<u8>(counts + i) : 0
      for (let plane = 0; plane << 3 < T; plane++) {
        let mask = 0
        const last = min(8, T - (plane << 3))
        for (let bit = 0; bit < last; bit++) {
          const from = (plane << 3) + bit - by
          if (start + from < 0) continue
          const spike =
            from >= 0
              ? bitOf(input + <usize>(from >> 3) * inPlaneBytes, from)
              : bitOf(ring + <usize>(((start + from) % most) >> 3), (start + from) % most)
          mask |= spike << bit
        }
        store<u8>(out + <usize>plane * planeBytes, mask)
        count += popcnt<i32>(mask)
      }
      if (counts) store<u8>(counts + i, count)
      if (!history) continue
      for (let step = max(0, T - most); step < T; step++) {
        const slot = (start + step) % most
        const at = ring + <usize>(slot >> 3)
        const spike = bitOf(input + <usize>(step >> 3) * inPlaneBytes, step)
        store<u8>(at, (<i32>load<u8>(at) & ~(1 << (slot & 7))) | (spike << (slot & 7)))
      }
    }
}

/** Bit `index` & 7 of a byte. */
// @ts-ignore: decorator
@inline
function bitOf(at: usize, index: i32): i32 {
  return (<i32>load<u8>(at) >> (index & 7)) & 1
}
