/**
 * Kernels over time whose weights lie at positions that are learnt (Khalfaoui-Hassani et al., ICLR
 * 2023; Hammouamri et al., ICLR 2024). A weight w at position p is shared out to the taps d:
 *
 *   q = offset + slope · p, kept within the taps,  Kernel[d] += w · u_d / Σ u
 *
 * Linear: u_d = max(0, 1 − |d − q|); at a whole q its derivative is that towards the next tap, at
 * the last one that from the tap before. Gaussian: u_d = exp(−(d − q)² / 2s²) with s = |σ| + 0.27
 * and 10⁻⁷ more in the sum, as in the package DCLS. All in float64 but the sum over weights.
 */

import { exponential } from '../base/math'
import { PlaceRecord } from '../generated/records'

/**
 * Kernel = all weights at their places, Kept = positions within. Or with positionGradient, where
 * Kernel holds δ: weightGradient = Σ_d δ[d] u_d / Σ u, positionGradient = slope · w · ∂/∂q of that.
 * Weights come in their order, [outputs][inputs][pixels][count]. Unit = block of outputs. Scratch:
 * u and du/dq of each tap.
 */
export function placeWeights(rec: PlaceRecord, unit: i32, t: i32, scratch: usize): void {
  const blockBytes = (<usize>rec.blockFloats) << 2
  const pixelBytes = (<usize>rec.taps * <usize>rec.tapStride) << 2
  const block = rec.kernel + <usize>unit * blockBytes
  if (!rec.positionGradient) memory.fill(block, 0, blockBytes)
  const first = unit * rec.width
  const end = min(rec.outputs, first + rec.width)
  let at = (<usize>(first * rec.inputs) * <usize>(rec.pixels * rec.count)) << 2
  for (let n = first; n < end; n++)
    for (let c = 0; c < rec.inputs; c++) {
      let place = block + ((<usize>c * <usize>rec.inputStride + <usize>(n - first)) << 2)
      for (let pixel = 0; pixel < rec.pixels; pixel++, place += pixelBytes)
        for (let k = 0; k < rec.count; k++, at += 4) one(rec, at, place, scratch)
    }
}

/** The weight at so many bytes, and the first of its taps. */
function one(rec: PlaceRecord, at: usize, place: usize, scratch: usize): void {
  const stride = (<usize>rec.tapStride) << 2
  const p = load<f32>(rec.position + at)
  const tap = <f64>rec.offset + <f64>rec.slope * <f64>p
  const last = rec.taps - 1
  // What is not a number lies at the first tap, and makes the kernel one that is none.
  const q = tap > 0 ? Math.min(tap, <f64>last) : 0
  const w = isNaN(p) ? <f64>p : rec.weight ? <f64>load<f32>(rec.weight + at) : 1
  let low = rec.sigma ? 0 : min(<i32>q, last - 1)
  const end = rec.sigma ? last : low + 1
  let total: f64 = 0
  if (rec.sigma) {
    const s = Math.abs(<f64>load<f32>(rec.sigma + at)) + 0.27
    const nearest = <i32>Math.floor(q + 0.5)
    for (let step = 1; step >= -1; step -= 2) gaussian(q, 1 / (s * s), nearest, step, last, scratch)
    total = 1e-7
  } else {
    put(scratch, low, 1 - (q - <f64>low), -1)
    put(scratch, end, q - <f64>low, 1)
  }
  let slopes: f64 = 0
  let sum: f64 = 0
  let sumSlopes: f64 = 0
  for (let d = low; d <= end; d++) {
    const u = scratch + ((<usize>d) << 4)
    const delta = <f64>load<f32>(place + <usize>d * stride)
    total += load<f64>(u)
    slopes += load<f64>(u, 8)
    sum += delta * load<f64>(u)
    sumSlopes += delta * load<f64>(u, 8)
  }
  if (rec.positionGradient) {
    const mean = sum / total
    if (rec.weightGradient) store<f32>(rec.weightGradient + at, <f32>mean)
    const slope = (sumSlopes - mean * slopes) / total
    store<f32>(rec.positionGradient + at, <f32>(<f64>rec.slope * w * slope))
    return
  }
  if (rec.kept && (tap < 0 || tap > <f64>last))
    store<f32>(rec.kept + at, <f32>((q - <f64>rec.offset) / <f64>rec.slope))
  for (; low <= end; low++) {
    const to = place + <usize>low * stride
    store<f32>(to, load<f32>(to) + <f32>((w * load<f64>(scratch + ((<usize>low) << 4))) / total))
  }
}

function put(scratch: usize, tap: i32, u: f64, slope: f64): void {
  store<f64>(scratch + ((<usize>tap) << 4), u)
  store<f64>(scratch + ((<usize>tap) << 4), slope, 8)
}

/** u and its derivative from tap d to one end: each u is the one before times a ratio. */
function gaussian(q: f64, k: f64, d: i32, step: i32, last: i32, scratch: usize): void {
  const z = <f64>d - q
  const change = exponential(-k)
  let u = exponential(-0.5 * k * z * z)
  let ratio = exponential(-k * (0.5 + <f64>step * z))
  for (; d >= 0 && d <= last; d += step) {
    put(scratch, d, u, u * k * (<f64>d - q))
    u *= ratio
    ratio *= change
  }
}
