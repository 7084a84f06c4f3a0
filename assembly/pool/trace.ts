/**
 * Presynaptic traces of OTTT (Xiao et al. 2022, eq. 8): a_t = λ a_{t−1} + s_t, a_0 = 0.
 *
 * A weight's gradient is Σ_t δ_t ⊗ a_t. Over the steps 1 … T of a call it is a sum over spikes, so
 * that kernels on spikes compute it, and one product with the trace from before the call:
 *
 *   Σ_t δ_t ⊗ a_t = Σ_t D_t ⊗ s_t + λ D_1 ⊗ a_0,   D_t = δ_t + λ D_{t+1},  D_{T+1} = 0
 */

import { endOf } from '../base/units'
import { TraceGradientRecord, TraceRecord } from '../generated/records'

/**
 * Out[P][C] = λ Out + In[P][t][C], for each t of the call in turn; at t = 0 of an outer loop Out
 * was 0 before. Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function trace(rec: TraceRecord, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = rec.channels << 2
  const steps = rec.steps
  const lambda = rec.lambda
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const out = rec.out + <usize>pixel * rowBytes
    let x = rec.in + <usize>(pixel * steps) * rowBytes
    for (let step = 0; step < steps; step++) {
      if (t + step) traceRow(out, out, x, rowBytes, lambda)
      else memory.copy(out, x, rowBytes)
      x += rowBytes
    }
  }
}

/**
 * Out[P][T][C] = D from Delta = δ. Before[P][C] = λ D_1, where there is a Before. Unit =
 * pixelsPerUnit pixels. Scratch: none.
 */
export function traceGradient(rec: TraceGradientRecord, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = rec.channels << 2
  const steps = rec.steps
  const lambda = rec.lambda
  const before = rec.before
  const last = (steps - 1) * rowBytes
  const per = rec.pixelsPerUnit
  const end = endOf(rec.pixels, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const first = <usize>pixel * steps * rowBytes
    const delta = rec.delta + first
    const out = rec.out + first
    memory.copy(out + last, delta + last, rowBytes)
    for (let at = last; at; at -= rowBytes)
      traceRow(out + at - rowBytes, out + at, delta + at - rowBytes, rowBytes, lambda)
    if (before) decayRow(before + <usize>pixel * rowBytes, out, rowBytes, lambda)
  }
}

/** out = λ·trace + x. out may be trace. */
export function traceRow(out: usize, trace: usize, x: usize, bytes: usize, lambda: f32): void {
  const decay = f32x4.splat(lambda)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.add(v128.load(x + i), f32x4.mul(decay, v128.load(trace + i))))
}

/** out = λ·x. */
export function decayRow(out: usize, x: usize, bytes: usize, lambda: f32): void {
  const decay = f32x4.splat(lambda)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(decay, v128.load(x + i)))
}
