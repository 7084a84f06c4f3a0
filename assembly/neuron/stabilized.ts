/**
 * Leaky integrate-and-fire neurons whose threshold follows the potentials of their layer (online
 * threshold stabiliser, Zhu et al., ICLR 2024):
 *
 *   charge     u_t = λ v_{t−1} + (1 − λ) v0 + κ I_t
 *   threshold  θ_t = μ_t + σ_t·(θ − μ_0)/σ_0, with mean and deviation (n − 1) of the layer's u_t
 *              over samples and neurons; θ_0 = θ
 *   fire       s_t = 1 if u_t ≥ θ_t
 *   reset      v_t = u_t − θ_t s_t (soft), or v0 where s_t = 1 (hard)
 *
 * Here are sums and threshold: charge, fire and reset are those of other neurons, before and behind
 * it. In training a call is one step. Forward alone the threshold is a running mean of those that
 * training has had.
 */

import { endOf } from '../base/units'
import { StabilizedRecord } from '../generated/records'

/**
 * Moments [unit] = Σ u, Σ u² over the channels without padding. Unit = pixelsPerUnit pixels.
 * Scratch: none.
 */
export function stabilizedSums(rec: StabilizedRecord, unit: i32, t: i32, scratch: usize): void {
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  const rowBytes = rec.channels << 2
  const moments = rec.moments + ((<usize>unit) << 4)
  store<f64>(moments, 0)
  store<f64>(moments, 0, 8)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const u = rec.charged + <usize>pixel * rowBytes
    addMoments(moments, u, rec.realChannels)
  }
}

/** moments += Σ u, Σ u² over so many floats, in float64. */
export function addMoments(moments: usize, u: usize, count: u32): void {
  let sum = load<f64>(moments)
  let squares = load<f64>(moments, 8)
  for (let i: u32 = 0; i < count; i++) {
    const value = <f64>load<f32>(u + ((<usize>i) << 2))
    sum += value
    squares += value * value
  }
  store<f64>(moments, sum)
  store<f64>(moments, squares, 8)
}

/**
 * Stability = ratio (at t = 0) and threshold of the step; runningThreshold moves by Share. Where
 * all potentials were the same at t = 0 the threshold stays θ. One unit. Scratch: none.
 */
export function stabilizedThreshold(
  rec: StabilizedRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const units = <u32>rec.units
  const count = <f64>(<u32>rec.pixels) * <f64>(<u32>rec.realChannels)
  const moments = rec.moments
  const stability = rec.stability
  const running = rec.runningThreshold
  const theta = <f64>rec.threshold
  let sum: f64 = 0
  let squares: f64 = 0
  for (let i: u32 = 0; i < units; i++) {
    sum += load<f64>(moments + ((<usize>i) << 4))
    squares += load<f64>(moments + ((<usize>i) << 4), 8)
  }
  const mean = sum / count
  const deviation = Math.sqrt(max<f64>(0, squares - sum * mean) / max<f64>(1, count - 1))
  if (t == 0) store<f32>(stability, <f32>((theta - mean) / deviation))
  const ratio = load<f32>(stability)
  const moved = mean + deviation * <f64>ratio
  const now = t == 0 || !isFinite(ratio) ? theta : moved
  store<f32>(stability, <f32>now, 4)
  const share = <f64>rec.share
  const before = <f64>load<f32>(running)
  if (isFinite(now)) store<f32>(running, <f32>(before + share * (now - before)))
}
