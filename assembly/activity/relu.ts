/** max(0, x) of currents, and its gradient. */

import { packBytes, widenBytes } from '../base/lanes'
import { ReluBackwardRecord, ReluRecord } from '../generated/records'

/**
 * Out [P][T][C] = max(0, In); what is not a number stays. Counts bytes [P][C], if there are any: at
 * how many of the steps Out > 0 (=, or += at t > 0 of an outer loop). Unit = pixelsPerUnit pixels.
 * In may be Out. Scratch: none.
 */
export function relu(rec: ReluRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const row = C << 2
  const steps = rec.steps
  const per = rec.pixelsPerUnit
  const first = <usize>(unit * per)
  const pixels = <usize>min(rec.pixels - unit * per, per)
  const out = rec.out + first * steps * row
  reluFloats(out, rec.in + first * steps * row, pixels * steps * row)
  const counts = rec.counts
  if (!counts) return
  for (let pixel: usize = 0; pixel < pixels; pixel++)
    for (let c: usize = 0; c < C; c += 4)
      countPositive(
        counts + (first + pixel) * C + c,
        out + pixel * steps * row + (c << 2),
        steps,
        row,
        t > 0,
      )
}

/** Out = max(0, in) of some bytes of floats, a multiple of 16. */
export function reluFloats(out: usize, input: usize, bytes: usize): void {
  const zero = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.max(v128.load(input + i), zero))
}

/** Counts of four channels = (or += with `more`) the steps at which they are above 0. */
export function countPositive(
  counts: usize,
  out: usize,
  steps: usize,
  row: usize,
  more: bool,
): void {
  const zero = f32x4.splat(0)
  let count = more ? widenBytes(counts) : i32x4.splat(0)
  for (let step: usize = 0; step < steps; step++)
    count = i32x4.sub(count, f32x4.gt(v128.load(out + step * row), zero))
  v128.store32_lane(counts, packBytes(count), 0)
}

/**
 * Gradient of the input. With Counts: Out [P][C] = Delta · Factor · Counts, the time mean of
 * 1[x > 0]. Otherwise: Out [P][T][C] = Delta where Activity > 0, else 0. Unit = pixelsPerUnit
 * pixels. Out may be Delta. Scratch: none.
 */
export function reluBackward(rec: ReluBackwardRecord, unit: i32, t: i32, scratch: usize): void {
  const floats = rec.channels * rec.steps
  const per = rec.pixelsPerUnit
  const first = <usize>(unit * per) * floats
  const count = <usize>min(rec.pixels - unit * per, per) * floats
  const out = rec.out + (first << 2)
  const delta = rec.delta + (first << 2)
  const counts = rec.counts
  if (counts) {
    const factor = rec.factor
    scaleByCounts(out, delta, counts + first, count, factor)
  } else {
    const activity = rec.activity + (first << 2)
    passWherePositive(out, delta, activity, count << 2)
  }
}

/** Out = delta · factor · counts, a multiple of 4 of them. */
export function scaleByCounts(
  out: usize,
  delta: usize,
  counts: usize,
  count: usize,
  factor: f32,
): void {
  const scale = f32x4.splat(factor)
  for (let i: usize = 0; i < count; i += 4) {
    const share = f32x4.mul(f32x4.convert_i32x4_s(widenBytes(counts + i)), scale)
    v128.store(out + (i << 2), f32x4.mul(v128.load(delta + (i << 2)), share))
  }
}

/** Out = delta where activity > 0, else 0, of some bytes of floats, a multiple of 16. */
export function passWherePositive(out: usize, delta: usize, activity: usize, bytes: usize): void {
  const zero = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, v128.and(v128.load(delta + i), f32x4.gt(v128.load(activity + i), zero)))
}
