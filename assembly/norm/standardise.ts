/**
 * Scaled weight standardisation, forward and backward, over the F real inputs of each output
 * channel (after Brock et al. 2021, arXiv 2101.08692):
 *
 *   w' = gain · (w − μ) · s,   s = (F·var + ε)^−½,   var = Σ (w − μ)² / (F − 1)
 *   dw = gain · s · (d − mean d − (w − μ) · s² · F/(F − 1) · Σ d (w − μ)),  dgain = s · Σ d (w − μ)
 *
 * Sums run in float64 over k in order. Rows of padded input channels stay zero.
 */

import { StandardiseRecord } from '../generated/records'

/** Out = w'. Unit = one block of output channels. Scratch: none. */
export function weightStandardise(rec: StandardiseRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const kRows = rec.kRows
  const base = (<usize>(unit * kRows * width)) << 2
  const out = rec.out
  memory.fill(out + base, 0, (<usize>(kRows * width)) << 2)
  for (let j = 0; j < width; j++) channel(rec, base + ((<usize>j) << 2), unit * width + j, false)
}

/**
 * Gradient: from the gradient of w' to that of w, in place; gainGradient = dgain. Unit = one block
 * of output channels. Scratch: none.
 */
export function weightStandardiseBackward(
  rec: StandardiseRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const width = rec.blockWidth
  const base = (<usize>(unit * rec.kRows * width)) << 2
  for (let j = 0; j < width; j++) channel(rec, base + ((<usize>j) << 2), unit * width + j, true)
}

/** One output channel, forward or backward. offset: bytes to its first weight. */
function channel(rec: StandardiseRecord, offset: usize, n: i32, backward: bool): void {
  const stride = (<usize>rec.blockWidth) << 2
  const taps = rec.taps
  const inC = rec.inC
  const realC = rec.realC
  const fanIn = <f64>(taps * realC)
  const weight = rec.weight + offset
  const gradient = rec.gradient + offset
  let sum: f64 = 0
  let sumD: f64 = 0
  for (let tap = 0; tap < taps; tap++)
    for (let c = 0; c < realC; c++) {
      const at = <usize>(tap * inC + c) * stride
      sum += load<f32>(weight + at)
      if (backward) sumD += load<f32>(gradient + at)
    }
  const mean = sum / fanIn
  let squares: f64 = 0
  let products: f64 = 0
  for (let tap = 0; tap < taps; tap++)
    for (let c = 0; c < realC; c++) {
      const at = <usize>(tap * inC + c) * stride
      const w = <f64>load<f32>(weight + at) - mean
      squares += w * w
      if (backward) products += w * <f64>load<f32>(gradient + at)
    }
  const s = 1 / Math.sqrt((squares / (fanIn - 1)) * fanIn + <f64>rec.epsilon)
  const gains = rec.gain
  const gain = gains ? <f64>load<f32>(gains + ((<usize>n) << 2)) : 1
  const out = rec.out + offset
  const coefficient = (products * s * s * fanIn) / (fanIn - 1)
  for (let tap = 0; tap < taps; tap++)
    for (let c = 0; c < realC; c++) {
      const at = <usize>(tap * inC + c) * stride
      const w = <f64>load<f32>(weight + at) - mean
      if (backward)
        store<f32>(
          gradient + at,
          <f32>(gain * s * (<f64>load<f32>(gradient + at) - sumD / fanIn - w * coefficient)),
        )
      else store<f32>(out + at, <f32>(gain * w * s))
    }
  const gainGradient = rec.gainGradient
  if (backward && gainGradient) store<f32>(gainGradient + ((<usize>n) << 2), <f32>(products * s))
}
