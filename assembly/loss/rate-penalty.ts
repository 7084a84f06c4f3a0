/**
 * A penalty on firing rates: |r − Target| (L1) or (r − Target)², r = Counts / T, and its gradient.
 *
 *   counts  bytes [Pixels][C] or, where there are Sums, these in float32, of which the first
 *           Channels channels are real
 *
 * Images from Control.Valid on are padding: they count nowhere and their gradient is zero.
 */

import { RatePenaltyRecord } from '../generated/records'
import { Control } from '../opcodes'

/**
 * Out [Pixels][C] = Scale/valid · sign(r − Target), or · 2·(r − Target); Partials [units] = the sum
 * of the penalties of the unit's neurons, in float64. Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function ratePenalty(rec: RatePenaltyRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = rec.pixelsPerUnit
  const from = unit * perUnit
  const to = min(rec.pixels, from + perUnit)
  const valid = load<i32>(Control.Valid)
  const validPixels = valid * rec.pixelsPerImage
  const stored = rec.stored
  const sums = rec.sums
  const counts = sums ? sums : rec.counts
  const bytes = sums ? 2 : 0
  const out = rec.out
  const scale = <f64>rec.scale / <f64>max(1, valid)
  let sum: f64 = 0
  for (let pixel = from; pixel < to; pixel++) {
    const at = <usize>pixel * stored
    if (pixel < validPixels) sum += penaltyRow(rec, counts + (at << bytes), out + (at << 2), scale)
    else memory.fill(out + (at << 2), 0, stored << 2)
  }
  store<f64>(rec.partials + ((<usize>unit) << 3), sum)
}

/** Gradients of one pixel; returns the sum of its penalties. */
export function penaltyRow(rec: RatePenaltyRecord, counts: usize, out: usize, scale: f64): f64 {
  const stored = rec.stored
  const channels = rec.channels
  const steps = <f64>(<u32>rec.steps)
  const target = <f64>rec.target
  const absolute = <u32>rec.absolute != 0
  const floats = rec.sums != 0
  let sum: f64 = 0
  for (let c: usize = 0; c < stored; c++) {
    let gradient: f64 = 0
    if (c < channels) {
      const count = floats ? <f64>load<f32>(counts + (c << 2)) : <f64>load<u8>(counts + c)
      const distance = count / steps - target
      sum += absolute ? abs(distance) : distance * distance
      const slope = absolute ? <f64>i32(distance > 0) - <f64>i32(distance < 0) : 2 * distance
      gradient = slope * scale
    }
    store<f32>(out + (c << 2), <f32>gradient)
  }
  return sum
}
