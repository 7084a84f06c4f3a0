/**
 * Neurons of every kind. The input currents of one pixel are summed into scratch, then its neurons
 * run on them.
 */

import { packBytes, sumLanes, widenBytes } from '../base/lanes'
import { NeuronWord } from '../opcodes'
import { addActivity, realLanes } from './counting'
import {
  hasCommonTrace,
  resetDerivative,
  resetPotential,
  TERM_B,
  traceAt,
} from './dynamics'
import { surrogate } from './surrogate-loops'

/** Is the sum of the terms the same at every step of a call? Then it is one row. */
function isConstant(rec: usize): bool {
  return (
    isStatic(rec) &&
    (load<u32>(rec, NeuronWord.B * 4) == 0 || isStatic(rec + TERM_B)) &&
    load<u32>(rec, NeuronWord.S * 4) == 0
  )
}

// @ts-ignore: decorator
@inline
function isStatic(term: usize): bool {
  return (
    (load<u32>(term, NeuronWord.AStepBytes * 4) | load<u32>(term, NeuronWord.AGroupBytes * 4)) == 0
  )
}

/** Is the current term A alone, without an affine map? Then it is read in place. */
function isDirect(rec: usize): bool {
  return (
    load<u32>(rec, NeuronWord.A * 4) != 0 &&
    load<u32>(rec, NeuronWord.AScale * 4) == 0 &&
    load<u32>(rec, NeuronWord.B * 4) == 0 &&
    load<u32>(rec, NeuronWord.S * 4) == 0
  )
}

/** out [T][C], or [1][C] when constant, = the sum of the terms at one pixel. */
function sumTerms(rec: usize, pixel: u32, out: usize): void {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const rowBytes = channels << 2
  const steps: u32 = isConstant(rec) ? 1 : load<u32>(rec, NeuronWord.T * 4)
  const hasA = load<u32>(rec, NeuronWord.A * 4) != 0
  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const s = <usize>load<u32>(rec, NeuronWord.S * 4)
  for (let step: u32 = 0; step < steps; step++) {
    if (hasA) addTerm(rec, out, pixel, step, rowBytes, false)
    else memory.fill(out, 0, rowBytes)
    if (hasB) addTerm(rec + TERM_B, out, pixel, step, rowBytes, true)
    if (s) {
      const masks =
        s +
        <usize>(step >> 3) * load<u32>(rec, NeuronWord.SPlaneBytes * 4) +
        <usize>pixel * channels
      neuronRowSpikes(out, masks, rowBytes, step & 7, load<f32>(rec, NeuronWord.SScale * 4))
    }
    out += rowBytes
  }
}

/** Address of a float term at a pixel and step. */
// @ts-ignore: decorator
@inline
function termRow(term: usize, pixel: u32, step: u32): usize {
  return (
    <usize>load<u32>(term, NeuronWord.A * 4) +
    <usize>pixel * load<u32>(term, NeuronWord.APixelBytes * 4) +
    <usize>step * load<u32>(term, NeuronWord.AStepBytes * 4)
  )
}

/** out [C] = or += one row of a float term, through its affine map if it has one. */
function addTerm(term: usize, out: usize, pixel: u32, step: u32, rowBytes: usize, add: bool): void {
  const x = termRow(term, pixel, step)
  if (load<u32>(term, NeuronWord.AScale * 4)) {
    const group = <usize>step * load<u32>(term, NeuronWord.AGroupBytes * 4)
    const scale = <usize>load<u32>(term, NeuronWord.AScale * 4) + group
    const shift = <usize>load<u32>(term, NeuronWord.AShift * 4) + group
    if (add) neuronRowAffineAdd(out, x, rowBytes, scale, shift)
    else neuronRowAffine(out, x, rowBytes, scale, shift)
  } else if (add) {
    neuronRowAdd(out, x, rowBytes)
  } else {
    memory.copy(out, x, rowBytes)
  }
}

/** out [C] += x. */
export function neuronRowAdd(out: usize, x: usize, rowBytes: usize): void {
  for (let i: usize = 0; i < rowBytes; i += 16)
    v128.store(out + i, f32x4.add(v128.load(out + i), v128.load(x + i)))
}

/** out [C] = scale·x + shift. */
export function neuronRowAffine(
  out: usize,
  x: usize,
  rowBytes: usize,
  scale: usize,
  shift: usize,
): void {
  for (let i: usize = 0; i < rowBytes; i += 16) {
    v128.store(
      out + i,
      f32x4.add(f32x4.mul(v128.load(x + i), v128.load(scale + i)), v128.load(shift + i)),
    )
  }
}

/** out [C] += scale·x + shift. */
export function neuronRowAffineAdd(
  out: usize,
  x: usize,
  rowBytes: usize,
  scale: usize,
  shift: usize,
): void {
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const y = f32x4.add(f32x4.mul(v128.load(x + i), v128.load(scale + i)), v128.load(shift + i))
    v128.store(out + i, f32x4.add(v128.load(out + i), y))
  }
}

/** out [C] += scale where the bit of masks [C] is set. */
export function neuronRowSpikes(
  out: usize,
  masks: usize,
  rowBytes: usize,
  bit: u32,
  scale: f32,
): void {
  const wanted = i32x4.splat(1 << bit)
  const value = f32x4.splat(scale)
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const fired = i32x4.eq(v128.and(widenBytes(masks + (i >> 2)), wanted), wanted)
    v128.store(out + i, f32x4.add(v128.load(out + i), v128.and(fired, value)))
  }
}

/**
 * x̂ [C] of a term at one pixel, where it is wanted: = Σ over the call's steps, += at steps t > 0
 * of an outer loop.
 */
export function normalisedMean(rec: usize, term: usize, pixel: u32, t: i32): void {
  if (!load<u32>(term, NeuronWord.A * 4) || !load<u32>(term, NeuronWord.AXhat * 4)) return
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const weight: f32 = 1 / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const resume = load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0
  const xhat = <usize>load<u32>(term, NeuronWord.AXhat * 4) + <usize>pixel * rowBytes
  for (let step: u32 = 0; step < steps; step++) {
    const group = <usize>step * load<u32>(term, NeuronWord.AGroupBytes * 4)
    const mean = <usize>load<u32>(term, NeuronWord.AMean * 4) + group
    const invStd = <usize>load<u32>(term, NeuronWord.AInvStd * 4) + group
    neuronRowNormalised(
      xhat,
      termRow(term, pixel, step),
      rowBytes,
      mean,
      invStd,
      weight,
      resume || step > 0,
    )
  }
}

/** out [C] = or += weight·(x − mean)·invStd. */
export function neuronRowNormalised(
  out: usize,
  x: usize,
  bytes: usize,
  mean: usize,
  invStd: usize,
  weight: f32,
  accumulate: bool,
): void {
  const w = f32x4.splat(weight)
  const keep = i32x4.splat(accumulate ? -1 : 0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = f32x4.mul(
      f32x4.mul(f32x4.sub(v128.load(x + i), v128.load(mean + i)), v128.load(invStd + i)),
      w,
    )
    v128.store(out + i, f32x4.add(v128.and(v128.load(out + i), keep), y))
  }
}

/**
 * Pixels first … end − 1, one at a time; returns their spikes. Where there is an `ActivityCount`,
 * changes and spikes add to it.
 */
export function runGeneral(
  rec: usize,
  first: u32,
  end: u32,
  t: i32,
  potentials: usize,
  lambda: f32,
  kappa: f32,
  activity: usize,
): u32 {
  const derivatives =
    potentials + ((<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2)
  const needsDerivatives =
    (load<u32>(rec, NeuronWord.SurrogateOut * 4) | load<u32>(rec, NeuronWord.Eligibility * 4)) != 0
  // Where ρ differs between neurons it is 1 at the first step, and then read from Rho.
  const rho: f32 = hasCommonTrace(rec) ? traceAt(t, lambda) : 1
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel++) {
    const current = currents(rec, pixel, potentials)
    const step = currentStep(rec)
    spikes += neuronFire(rec, pixel, current, step, potentials, t, lambda, kappa, activity)
    normalisedMean(rec, rec, pixel, t)
    normalisedMean(rec, rec + TERM_B, pixel, t)
    if (!needsDerivatives) continue
    surrogate(rec, derivatives, potentials)
    neuronTrace(rec, pixel, potentials, derivatives, t, rho, lambda, kappa)
  }
  return spikes
}

/**
 * Address of a pixel's currents: [T][C], or one row when they are constant. It is term A itself,
 * or the sum of the terms, which the potentials may overwrite.
 */
export function currents(rec: usize, pixel: u32, potentials: usize): usize {
  if (isDirect(rec)) return termRow(rec, pixel, 0)
  let rows = potentials
  // A row that serves every step is behind all potentials, so that the first does not overwrite it.
  if (isConstant(rec))
    rows += (<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2
  sumTerms(rec, pixel, rows)
  return rows
}

/** Bytes between steps of `currents`. */
export function currentStep(rec: usize): usize {
  if (isDirect(rec)) return load<u32>(rec, NeuronWord.AStepBytes * 4)
  return isConstant(rec) ? 0 : (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
}

/**
 * Runs one pixel on its currents [T][C] (stepBytes 0: the same row at every step) and returns its
 * spikes. Masks and potentials [T][C] are written; the potentials may overwrite the currents.
 * Counts are written, += at steps t > 0 of an outer loop. Where there is a V, it is read at t > 0
 * and written.
 */
export function neuronFire(
  rec: usize,
  pixel: u32,
  current: usize,
  stepBytes: usize,
  potentials: usize,
  t: i32,
  lambdaValue: f32,
  kappaValue: f32,
  activity: usize,
): u32 {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const rowBytes = channels << 2
  const row = <usize>pixel * channels
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const planeBytes = <usize>load<u32>(rec, NeuronWord.PlaneBytes * 4)
  const restValue = load<f32>(rec, NeuronWord.Rest * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(restValue)
  const drift = f32x4.splat((1 - lambdaValue) * restValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const state = <usize>load<u32>(rec, NeuronWord.V * 4)
  const resume = state != 0 && t > 0
  let total = i32x4.splat(0)
  let changes = i32x4.splat(0)
  for (let c: usize = 0; c < channels; c += 4) {
    const at = (row + c) << 2
    let v = resume ? v128.load(state + at) : rest
    let changed = i32x4.splat(0)
    // Nothing equals NaN, so that the first step is a change.
    let before = resume ? v : f32x4.splat(NaN)
    let count = i32x4.splat(0)
    let source = current + (c << 2)
    let potential = potentials + (c << 2)
    let masks = <usize>load<u32>(rec, NeuronWord.Masks * 4) + row + c
    let left = steps
    do {
      let n = min<u32>(left, 8)
      left -= n
      let mask = i32x4.splat(0)
      let bit = i32x4.splat(1)
      do {
        const u = f32x4.add(
          f32x4.add(f32x4.mul(lambda, v), drift),
          f32x4.mul(kappa, v128.load(source)),
        )
        v128.store(potential, u)
        source += stepBytes
        potential += rowBytes
        const fired = f32x4.ge(u, theta)
        mask = v128.or(mask, v128.and(fired, bit))
        bit = i32x4.shl(bit, 1)
        count = i32x4.sub(count, fired)
        v = resetPotential(hard, fired, u, theta, rest)
        changed = i32x4.sub(changed, f32x4.ne(v, before))
        before = v
      } while (--n)
      v128.store32_lane(masks, packBytes(mask), 0)
      masks += planeBytes
    } while (left)
    if (state) v128.store(state + at, v)
    total = i32x4.add(total, count)
    if (activity) {
      const real = realLanes(load<i32>(rec, NeuronWord.RealC * 4), <i32>c)
      changes = i32x4.add(changes, v128.and(changed, real))
    }
    if (load<u32>(rec, NeuronWord.Counts * 4)) {
      const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4) + row + c
      if (resume) count = i32x4.add(count, widenBytes(counts))
      v128.store32_lane(counts, packBytes(count), 0)
    }
  }
  if (activity) addActivity(activity, sumLanes(changes), sumLanes(total))
  return sumLanes(total)
}

/**
 * From the potentials and derivatives h' [T][C] of one pixel: SurrogateOut [T][C] = κ h';
 * Eligibility = its share, += at steps t > 0 of an outer loop. ρ of the first step is 1, or
 * Rho at t > 0 where there is a Rho. Rho is written.
 */
export function neuronTrace(
  rec: usize,
  pixel: u32,
  potentials: usize,
  derivatives: usize,
  t: i32,
  rhoValue: f32,
  lambdaValue: f32,
  kappaValue: f32,
): void {
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const weight = f32x4.splat(kappaValue / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4))
  const one = f32x4.splat(1)
  const rest = f32x4.splat(load<f32>(rec, NeuronWord.Rest * 4))
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const detach = load<u32>(rec, NeuronWord.Detach * 4) != 0
  const eligibility = <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const surrogateOut = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4)
  const resume = load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0
  const traces = <usize>load<u32>(rec, NeuronWord.Rho * 4)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const at = <usize>pixel * rowBytes + c
    let rho = resume && traces ? v128.load(traces + at) : f32x4.splat(rhoValue)
    let sum = f32x4.splat(0)
    let potential = potentials + c
    let derivative = derivatives + c
    let factor = surrogateOut + <usize>pixel * steps * rowBytes + c
    let left = steps
    do {
      const u = v128.load(potential)
      const h = v128.load(derivative)
      if (surrogateOut) v128.store(factor, f32x4.mul(h, kappa))
      factor += rowBytes
      potential += rowBytes
      derivative += rowBytes
      sum = f32x4.add(sum, f32x4.mul(h, rho))
      const kept = resetDerivative(hard, detach, f32x4.ge(u, theta), u, h, theta, rest)
      rho = f32x4.add(one, f32x4.mul(f32x4.mul(lambda, rho), kept))
    } while (--left)
    if (eligibility) {
      sum = f32x4.mul(sum, weight)
      v128.store(eligibility + at, resume ? f32x4.add(v128.load(eligibility + at), sum) : sum)
    }
    if (traces) v128.store(traces + at, rho)
  }
}
