/** Gradients that add up, their norm, and moving averages. */

import { BlendRecord, ClipRecord, SquaredNormRecord } from '../generated/records'
import { Control, StepNumbers } from '../opcodes'

/**
 * Partial[unit] = Σ In², in float64 and in a fixed order. Unit = perUnit floats of Count, a
 * multiple of 4. Scratch: none.
 */
export function squaredNorm(rec: SquaredNormRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = <u32>rec.perUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.count)
  const from = rec.in + ((<usize>first) << 2)
  const sum = squareSum(from, (<usize>(end - first)) << 2)
  store<f64>(rec.partial + ((<usize>unit) << 3), sum)
}

/** Σ x² of `bytes` of floats, a multiple of 16. */
export function squareSum(from: usize, bytes: usize): f64 {
  let low = f64x2.splat(0)
  let high = f64x2.splat(0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = v128.load(from + i)
    const a = f64x2.promote_low_f32x4(x)
    const b = f64x2.promote_low_f32x4(v128.shuffle<u64>(x, x, 1, 0))
    low = f64x2.add(low, f64x2.mul(a, a))
    high = f64x2.add(high, f64x2.mul(b, b))
  }
  const sum = f64x2.add(low, high)
  return f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1)
}

/**
 * Numbers.Norm = √Σ Partial[0 … Count − 1], in order; Numbers.Coefficient = min(1, ClipNorm /
 * (Norm + 1e-6)), as PyTorch's clip_grad_norm_. One unit. Scratch: none.
 *
 * Where the norm is not finite the coefficient is not a number, so that the optimizer leaves all as
 * it is, and Control.NonFinite is set.
 */
export function clipFinish(rec: ClipRecord, unit: i32, t: i32, scratch: usize): void {
  const count = <u32>rec.count
  const partial = rec.partial
  const numbers = rec.numbers
  let sum: f64 = 0
  for (let i: u32 = 0; i < count; i++) sum += load<f64>(partial + ((<usize>i) << 3))
  const norm = sqrt<f64>(sum)
  const good = isFinite(norm)
  const coefficient = min<f64>(1, load<f64>(numbers, StepNumbers.ClipNorm) / (norm + 1e-6))
  store<f64>(numbers, norm, StepNumbers.Norm)
  store<f32>(numbers, <f32>norm, StepNumbers.SingleNorm)
  store<f32>(numbers, good ? <f32>coefficient : f32.NaN, StepNumbers.Coefficient)
  if (!good) store<u32>(Control.NonFinite, 1)
}

/**
 * Out = factor·In, or with Keep Out = keep·Out + factor·In; factor and keep are float32 that these
 * words point to. With keep 0 Out is not read.
 *
 * Unit = perUnit floats of Count, a multiple of 4. Out may be In. Scratch: none. When the loss is
 * not finite nothing changes. A value that is not finite sets Control.NonFinite.
 */
export function blend(rec: BlendRecord, unit: i32, t: i32, scratch: usize): void {
  const perUnit = <u32>rec.perUnit
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, <u32>rec.count)
  if (first >= end || !isFinite(load<f32>(Control.Loss))) return
  const keepAt = rec.keep
  const keep: f32 = keepAt ? load<f32>(keepAt) : 0
  const factor = load<f32>(rec.factor)
  const offset = (<usize>first) << 2
  const out = rec.out + offset
  const from = rec.in + offset
  const bytes = (<usize>(end - first)) << 2
  if (keep != 0) blendRange(out, from, bytes, keep, factor)
  else if (out != from || factor != 1) scaleRange(out, from, bytes, factor)
}

/** Out = keep·Out + factor·In for `bytes` of floats, a multiple of 16. */
export function blendRange(out: usize, from: usize, bytes: usize, keep: f32, factor: f32): void {
  const k = f32x4.splat(keep)
  const f = f32x4.splat(factor)
  const zero = f32x4.splat(0)
  let finite = i32x4.splat(-1)
  for (let i: usize = 0; i < bytes; i += 16) {
    const kept = f32x4.mul(k, v128.load(out + i))
    const x = f32x4.add(kept, f32x4.mul(f, v128.load(from + i)))
    finite = v128.and(finite, f32x4.eq(f32x4.mul(x, zero), zero))
    v128.store(out + i, x)
  }
  if (!i32x4.all_true(finite)) store<u32>(Control.NonFinite, 1)
}

/** Out = factor·In for `bytes` of floats, a multiple of 16. */
export function scaleRange(out: usize, from: usize, bytes: usize, factor: f32): void {
  const f = f32x4.splat(factor)
  const zero = f32x4.splat(0)
  let finite = i32x4.splat(-1)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.mul(f, v128.load(from + i))
    finite = v128.and(finite, f32x4.eq(f32x4.mul(x, zero), zero))
    v128.store(out + i, x)
  }
  if (!i32x4.all_true(finite)) store<u32>(Control.NonFinite, 1)
}
