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
 * In training a call is one step, in three records. Forward alone the threshold is a running mean
 * of those that training has had, and one record does it all.
 */

import { packBytes, sumLanes, widenBytes } from '../base/lanes'
import { NeuronWord, StabilizedWord } from '../opcodes'
import { activityOf, addActivity, realLanes, validEnd } from './counting'
import { inputGain, leak, resetPotential } from './dynamics'
import { currentStep, currents } from './general'
import { surrogate } from './surrogate-loops'

/**
 * V [P][C] = u_t from V (v0 at t = 0); Moments [unit] = Σ u, Σ u² over the channels without
 * padding. A call is one step. Unit = PixelsPerUnit pixels. Scratch: as `neuron`.
 */
export function stabilizedCharge(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const real = load<u32>(rec, NeuronWord.RealC * 4)
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  const rest = load<f32>(rec, NeuronWord.Rest * 4)
  const moments = <usize>load<u32>(rec, StabilizedWord.Moments * 4) + ((<usize>unit) << 4)
  store<f64>(moments, 0)
  store<f64>(moments, 0, 8)
  for (let pixel = first; pixel < end; pixel++) {
    const v = <usize>load<u32>(rec, NeuronWord.V * 4) + <usize>pixel * rowBytes
    const current = currents(rec, pixel, scratch)
    chargeRow(v, current, rowBytes, t > 0, lambda, kappa, rest)
    addMoments(moments, v, real)
  }
}

/** v [C] = λ·(v, or rest at the first step) + (1 − λ)·rest + κ·current. */
export function chargeRow(
  v: usize,
  current: usize,
  rowBytes: usize,
  resume: bool,
  lambda: f32,
  kappa: f32,
  rest: f32,
): void {
  const start = f32x4.splat(rest)
  const drift = f32x4.splat((1 - lambda) * rest)
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const before = resume ? v128.load(v + i) : start
    const decayed = f32x4.add(f32x4.mul(f32x4.splat(lambda), before), drift)
    const input = f32x4.mul(f32x4.splat(kappa), v128.load(current + i))
    v128.store(v + i, f32x4.add(decayed, input))
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
 * Stability = ratio (at t = 0) and threshold of the step; RunningThreshold moves by Share. Where
 * all potentials were the same at t = 0 the threshold stays θ. One unit. Scratch: none.
 */
export function stabilizedThreshold(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const units = load<u32>(rec, StabilizedWord.Units * 4)
  const count =
    <f64>load<u32>(rec, NeuronWord.Pixels * 4) * <f64>load<u32>(rec, NeuronWord.RealC * 4)
  const moments = <usize>load<u32>(rec, StabilizedWord.Moments * 4)
  const stability = <usize>load<u32>(rec, StabilizedWord.Stability * 4)
  const running = <usize>load<u32>(rec, StabilizedWord.RunningThreshold * 4)
  const theta = <f64>load<f32>(rec, NeuronWord.Threshold * 4)
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
  const share = <f64>load<f32>(rec, StabilizedWord.Share * 4)
  const before = <f64>load<f32>(running)
  if (isFinite(now)) store<f32>(running, <f32>(before + share * (now - before)))
}

/**
 * Masks, Counts, SurrogateOut = κ h'(u − θ_t), Charged = v_t from u_t in Charged. Where Charged is
 * 0, u is charged here at each step of the call; V, where present, is read at t > 0 and written.
 * Counts and CountPartials += at t > 0 of an outer loop. The threshold is at ThresholdAt. Unit =
 * PixelsPerUnit pixels. Scratch: as `neuron`.
 */
export function stabilizedFire(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const channels = load<u32>(rec, NeuronWord.C * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const charged = <usize>load<u32>(rec, StabilizedWord.Charged * 4)
  const state = charged ? charged : <usize>load<u32>(rec, NeuronWord.V * 4)
  const out = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4)
  const rowBytes = (<usize>channels) << 2
  const bytes = <usize>steps * rowBytes
  const kappa = inputGain(rec)
  const activity = activityOf(
    <usize>load<u32>(rec, NeuronWord.Activity * 4),
    <usize>load<u32>(rec, NeuronWord.ActivityWanted * 4),
    unit,
  )
  const valid = activity
    ? validEnd(first, end, load<u32>(rec, NeuronWord.PixelsPerImage * 4))
    : first
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel++) {
    const current = charged ? charged + <usize>pixel * rowBytes : currents(rec, pixel, scratch)
    const stepBytes: usize = charged ? 0 : currentStep(rec)
    const counted = pixel < valid ? activity : 0
    spikes += firePixel(rec, pixel, current, stepBytes, scratch, t, kappa, counted)
    if (!out) continue
    surrogate(rec, scratch + bytes, scratch)
    scaleRow(out + <usize>pixel * bytes, scratch + bytes, bytes, kappa)
  }
  const partials = <usize>load<u32>(rec, NeuronWord.CountPartials * 4)
  if (!partials) return
  const partial = partials + ((<usize>unit) << 2)
  if (state != 0 && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** out = factor·x over so many bytes. */
export function scaleRow(out: usize, x: usize, bytes: usize, factor: f32): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.mul(f32x4.splat(factor), v128.load(x + i)))
}

/**
 * One pixel over the steps of a call; returns its spikes. current [T][C] (stepBytes 0: the same row
 * at every step) holds currents, or with Charged potentials before firing. potentials [T][C] =
 * u − θ_t + θ, for the surrogate, which knows θ alone; it may overwrite the currents. Where there
 * is an `ActivityCount`, changes and spikes add to it.
 */
function firePixel(
  rec: usize,
  pixel: u32,
  current: usize,
  stepBytes: usize,
  potentials: usize,
  t: i32,
  kappaValue: f32,
  activity: usize,
): u32 {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const row = <usize>pixel * channels
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const planeBytes = <usize>load<u32>(rec, NeuronWord.PlaneBytes * 4)
  const lambdaValue = leak(rec)
  const restValue = load<f32>(rec, NeuronWord.Rest * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(restValue)
  const drift = f32x4.splat((1 - lambdaValue) * restValue)
  const thetaValue = load<f32>(<usize>load<u32>(rec, StabilizedWord.ThresholdAt * 4))
  const theta = f32x4.splat(thetaValue)
  const offset = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4) - thetaValue)
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const before = <usize>load<u32>(rec, StabilizedWord.Charged * 4)
  const state = before ? before : <usize>load<u32>(rec, NeuronWord.V * 4)
  const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4)
  const resume = state != 0 && t > 0
  let total = i32x4.splat(0)
  let changes = i32x4.splat(0)
  for (let c: usize = 0; c < channels; c += 4) {
    let v = resume ? v128.load(state + ((row + c) << 2)) : rest
    // Nothing equals NaN, so that the first step is a change.
    let last = resume ? v : i32x4.splat(-1)
    let changed = i32x4.splat(0)
    let count = i32x4.splat(0)
    let mask = i32x4.splat(0)
    for (let step: u32 = 0; step < steps; step++) {
      const x = v128.load(current + <usize>step * stepBytes + (c << 2))
      const charged = f32x4.add(f32x4.add(f32x4.mul(lambda, v), drift), f32x4.mul(kappa, x))
      const u = before ? x : charged
      const fired = f32x4.ge(u, theta)
      v128.store(potentials + ((<usize>step * channels + c) << 2), f32x4.add(u, offset))
      mask = v128.or(mask, v128.and(fired, i32x4.splat(1 << (step & 7))))
      count = i32x4.sub(count, fired)
      v = resetPotential(hard, fired, u, theta, rest)
      changed = i32x4.sub(changed, f32x4.ne(v, last))
      last = v
      if ((step & 7) == 7 || step + 1 == steps) {
        const masks = <usize>load<u32>(rec, NeuronWord.Masks * 4) + row + c
        v128.store32_lane(masks + <usize>(step >> 3) * planeBytes, packBytes(mask), 0)
        mask = i32x4.splat(0)
      }
    }
    if (state) v128.store(state + ((row + c) << 2), v)
    total = i32x4.add(total, count)
    if (activity) {
      const real = realLanes(load<i32>(rec, NeuronWord.RealC * 4), <i32>c)
      changes = i32x4.add(changes, v128.and(changed, real))
    }
    if (counts) {
      if (resume) count = i32x4.add(count, widenBytes(counts + row + c))
      v128.store32_lane(counts + row + c, packBytes(count), 0)
    }
  }
  if (activity) addActivity(activity, sumLanes(changes), sumLanes(total))
  return sumLanes(total)
}
