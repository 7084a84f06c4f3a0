/**
 * The usual neuron with eligibility or h': soft detached reset, v0 = 0, two terms at most.
 *
 * The state of a neuron is z = u − θ, the argument of its surrogate. With scale' = κ·scale and
 * shift' = κ·shift − θ, computed once a unit, neither threshold nor κ cost an operation at a step:
 *
 *   charge  z_t = scale'·x_t + shift' + r_t,  r_1 = λ·v
 *   fire    s_t = 1 if z_t ≥ 0
 *   reset   r_{t+1} = λ z_t + (s_t ? 0 : λ·θ)
 *
 * Ties fire as everywhere; where u rounds to one side of θ or the other a spike may differ from
 * those of the other kernels, which round u.
 *
 * Pixels run in blocks whose z stay in the first-level cache. Charge and fire leave z there, then
 * the surrogates run over it: in one loop the chain from step to step and the divisions would wait
 * for each other. The loops write out the 4, 2 or 1 steps that they take at a time; what is the
 * same for all their turns they load from memory, since V8 computes it again at each turn
 * otherwise.
 *
 * Scratch, in vectors of 4 floats: head | weights [T] | marks [T] | channels [C/4] | z
 * [pixels][C/4][T].
 */
import { sumLanes, widenBytes } from '../base/lanes'
import { NeuronWord } from '../opcodes'
import { TERM_B, traceAt } from './dynamics'
import { surrogateScale, surrogateSlope } from './surrogate'
import { addSurrogates } from './surrogate-loops'

/** Floats of z that a block of pixels may take, unless one pixel has more. */
const BLOCK_FLOATS: u32 = 2048

/**
 * Bytes of the head: vectors λ, λ·θ, κ·SScale, θ, slope, (unused), weight of h' (SurrogateOut); and
 * for each loop the addresses of the first of its marks, of its masks and arriving spikes (their
 * plane), and of the channels.
 */
const HEAD: usize = 128
const SLOPE: usize = 64
const DERIVATIVE: usize = 96
const LOOP: usize = 112
/** Bytes of a vector of channels: scale', shift', and scale and shift that make x̂ of Σ_t x_t. */
const CHANNEL_A: usize = 64
/** The same with, for term B, scale' at 64, and scale and shift of its x̂ at 80. */
const CHANNEL_B: usize = 112

/** A step's mark is its bit in the mask, and this for the count. */
const ONE_SPIKE: u32 = 0x10000

/** Pixels first … end − 1; returns their spikes. Writes what `neuron` writes. */
export function runLearn(
  rec: usize,
  first: u32,
  end: u32,
  t0: u32,
  scratch: usize,
  lambda: f32,
  kappa: f32,
): u32 {
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const vectors = load<u32>(rec, NeuronWord.C * 4) >> 2
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const eligibility = <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const derivative = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4)
  const stateBytes = (<usize>steps) << 4
  const weights = scratch + HEAD
  const channels = weights + stateBytes * 2
  store<u32>(scratch + LOOP, channels, 12)
  const states = prepare(rec, scratch, weights, channels, t0, lambda, kappa)
  const block = max<u32>(1, BLOCK_FLOATS / (steps * vectors * 4))
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel += block) {
    const pixels = min(block, end - pixel)
    for (let t: u32 = 0; t < steps; t += stepsAtOnce(steps - t)) {
      store<u32>(scratch + LOOP, weights + stateBytes + ((<usize>t) << 4))
      spikes += charge(
        rec,
        scratch,
        pixel,
        pixels,
        t0 + t,
        t,
        stepsAtOnce(steps - t),
        states + ((<usize>t) << 4),
      )
    }
    const at = (<usize>pixel * vectors) << 4
    if (eligibility) {
      for (let t: u32 = 0; t < steps; t += stepsAtOnce(steps - t)) {
        const z = states + ((<usize>t) << 4)
        const n = stepsAtOnce(steps - t)
        addSurrogates(
          kind,
          n,
          eligibility + at,
          z,
          stateBytes,
          pixels * vectors,
          weights + ((<usize>t) << 4),
          scratch + SLOPE,
          t0 + t > 0,
        )
      }
    }
    if (derivative) {
      const z = states + stateBytes - 16
      addSurrogates(
        kind,
        1,
        derivative + at,
        z,
        stateBytes,
        pixels * vectors,
        scratch + DERIVATIVE,
        scratch + SLOPE,
        false,
      )
    }
  }
  return spikes
}

/** Steps that a loop takes when so many are left. */
// @ts-ignore: decorator
@inline
function stepsAtOnce(left: u32): u32 {
  return left >= 4 ? 4 : left >= 2 ? 2 : 1
}

/** Writes everything in scratch before z; returns where z starts. */
function prepare(
  rec: usize,
  head: usize,
  weights: usize,
  channels: usize,
  t0: u32,
  lambda: f32,
  kappa: f32,
): usize {
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const alpha = load<f32>(rec, NeuronWord.Alpha * 4)
  const theta = load<f32>(rec, NeuronWord.Threshold * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  v128.store(head, f32x4.splat(lambda))
  v128.store(head, f32x4.splat(lambda * theta), 16)
  v128.store(head, f32x4.splat(kappa * load<f32>(rec, NeuronWord.SScale * 4)), 32)
  v128.store(head, f32x4.splat(theta), 48)
  v128.store(head, f32x4.splat(surrogateSlope(kind, alpha)), SLOPE)
  v128.store(head, f32x4.splat(kappa * surrogateScale(kind, alpha)), DERIVATIVE)

  const factor =
    (kappa * surrogateScale(kind, alpha)) / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const marks = weights + ((<usize>steps) << 4)
  let rho = traceAt(t0, lambda)
  for (let step: u32 = 0; step < steps; step++) {
    const at = (<usize>step) << 4
    v128.store(weights + at, f32x4.splat(factor * rho))
    v128.store(marks + at, i32x4.splat(ONE_SPIKE | (1 << (step & 7))))
    rho = 1 + lambda * rho
  }

  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const rowBytes = (<usize>load<u32>(rec, NeuronWord.C * 4)) << 2
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let shift = shiftOf(rec, c)
    if (hasB) shift = f32x4.add(shift, shiftOf(rec + TERM_B, c))
    shift = f32x4.sub(f32x4.mul(shift, f32x4.splat(kappa)), f32x4.splat(theta))
    v128.store(channels, f32x4.mul(scaleOf(rec, c), f32x4.splat(kappa)))
    v128.store(channels, shift, 16)
    prepareNormalised(rec, rec, channels + 32, c)
    if (hasB) {
      v128.store(channels, f32x4.mul(scaleOf(rec + TERM_B, c), f32x4.splat(kappa)), 64)
      prepareNormalised(rec, rec + TERM_B, channels + 80, c)
    }
    channels += hasB ? CHANNEL_B : CHANNEL_A
  }
  return channels
}

/** A term's scale and shift; 1 and 0 when it has none. c: bytes. */
function scaleOf(term: usize, c: usize): v128 {
  const scale = <usize>load<u32>(term, NeuronWord.AScale * 4)
  return scale ? v128.load(scale + c) : f32x4.splat(1)
}
function shiftOf(term: usize, c: usize): v128 {
  const scale = <usize>load<u32>(term, NeuronWord.AScale * 4)
  return scale ? v128.load(<usize>load<u32>(term, NeuronWord.AShift * 4) + c) : f32x4.splat(0)
}

/** Is the input the same at every step? Then it is read once. */
function isStill(rec: usize): bool {
  return (
    (load<u32>(rec, NeuronWord.AStepBytes * 4) |
      load<u32>(rec, NeuronWord.B * 4) |
      load<u32>(rec, NeuronWord.S * 4)) ==
    0
  )
}

/**
 * out = scale and shift that make the call's part of x̂ = 1/TotalSteps Σ_t (x_t − mean)·invStd of
 * Σ_t x_t, or of x itself when the input is still.
 */
function prepareNormalised(rec: usize, term: usize, out: usize, c: usize): void {
  if (!load<u32>(term, NeuronWord.AXhat * 4)) return
  const weight: f32 = 1 / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const share = weight * <f32>load<u32>(rec, NeuronWord.T * 4)
  const mean = v128.load(<usize>load<u32>(term, NeuronWord.AMean * 4) + c)
  const invStd = v128.load(<usize>load<u32>(term, NeuronWord.AInvStd * 4) + c)
  v128.store(out, f32x4.mul(invStd, f32x4.splat(isStill(rec) ? share : weight)))
  v128.store(out, f32x4.mul(f32x4.mul(mean, invStd), f32x4.splat(-share)), 16)
}

/**
 * n steps from t on, which is `step` within the call, at pixels first … first + pixels − 1; z: of
 * the first pixel, at step t. Returns the spikes.
 */
function charge(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  n: u32,
  z: usize,
): u32 {
  const plane = step >> 3
  store<u32>(
    head + LOOP,
    load<u32>(rec, NeuronWord.Masks * 4) + plane * load<u32>(rec, NeuronWord.PlaneBytes * 4),
    4,
  )
  store<u32>(
    head + LOOP,
    load<u32>(rec, NeuronWord.S * 4) + plane * load<u32>(rec, NeuronWord.SPlaneBytes * 4),
    8,
  )
  if (isStill(rec)) {
    if (n == 4) return neuronLearnStill4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnStill2(rec, head, first, pixels, t, step, z)
    return neuronLearnStill1(rec, head, first, pixels, t, step, z)
  }
  if (load<u32>(rec, NeuronWord.B * 4)) {
    if (n == 4) return neuronLearnB4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnB2(rec, head, first, pixels, t, step, z)
    return neuronLearnB1(rec, head, first, pixels, t, step, z)
  }
  if (load<u32>(rec, NeuronWord.S * 4)) {
    if (n == 4) return neuronLearnS4(rec, head, first, pixels, t, step, z)
    if (n == 2) return neuronLearnS2(rec, head, first, pixels, t, step, z)
    return neuronLearnS1(rec, head, first, pixels, t, step, z)
  }
  if (n == 4) return neuronLearn4(rec, head, first, pixels, t, step, z)
  if (n == 2) return neuronLearn2(rec, head, first, pixels, t, step, z)
  return neuronLearn1(rec, head, first, pixels, t, step, z)
}

// @ts-ignore: decorator
@inline
function chargeBody(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
  n: i32,
  hasB: bool,
  hasS: bool,
  still: bool,
): u32 {
  const lambda = v128.load(head)
  const lambdaTheta = v128.load(head, 16)
  const scaleS = v128.load(head, 32)
  const marks = <usize>load<u32>(head + LOOP)
  const masks = <usize>load<u32>(head + LOOP, 4)
  const s = <usize>load<u32>(head + LOOP, 8)
  const channels = <usize>load<u32>(head + LOOP, 12)
  const aStep = <usize>load<u32>(rec, NeuronWord.AStepBytes * 4)
  const bStep = <usize>load<u32>(rec, NeuronWord.BStepBytes * 4)
  const vectors = load<u32>(rec, NeuronWord.C * 4) >> 2
  const stateBytes = (<usize>load<u32>(rec, NeuronWord.T * 4)) << 4
  const xhatA = <usize>load<u32>(rec, NeuronWord.AXhat * 4)
  const xhatB = <usize>load<u32>(rec, NeuronWord.BXhat * 4)
  const v = <usize>load<u32>(rec, NeuronWord.V * 4)
  const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4)
  let at = (<usize>first * vectors) << 2
  let rowA =
    <usize>load<u32>(rec, NeuronWord.A * 4) +
    <usize>first * load<u32>(rec, NeuronWord.APixelBytes * 4) +
    <usize>step * aStep
  let rowB =
    <usize>load<u32>(rec, NeuronWord.B * 4) +
    <usize>first * load<u32>(rec, NeuronWord.BPixelBytes * 4) +
    <usize>step * bStep
  let total = i32x4.splat(0)
  for (; pixels; pixels--) {
    let a = rowA
    let b = rowB
    let channel = channels
    for (let left = vectors; left; left--) {
      const scale = v128.load(channel)
      const shift = v128.load(channel, 16)
      const scaleB = hasB ? v128.load(channel, 64) : scale
      const arriving = hasS ? widenBytes(s + at) : scale
      let mark = v128.load(marks)
      let current = sumTerms(a, b, arriving, mark, scale, shift, scaleB, scaleS, hasB, hasS)
      let state = current
      if (step) state = f32x4.add(current, remaining(v128.load(z - 16), lambda, lambdaTheta))
      else if (n == 1 && v && t)
        state = f32x4.add(current, f32x4.mul(v128.load(v + (at << 2)), lambda))
      v128.store(z, state)
      let spikes = v128.and(firing(state), mark)
      if (n > 1) {
        mark = v128.load(marks, 16)
        if (!still)
          current = sumTerms(
            a + aStep,
            b + bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 16)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
      }
      if (n > 2) {
        mark = v128.load(marks, 32)
        if (!still)
          current = sumTerms(
            a + 2 * aStep,
            b + 2 * bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 32)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
        mark = v128.load(marks, 48)
        if (!still)
          current = sumTerms(
            a + 3 * aStep,
            b + 3 * bStep,
            arriving,
            mark,
            scale,
            shift,
            scaleB,
            scaleS,
            hasB,
            hasS,
          )
        state = f32x4.add(current, remaining(state, lambda, lambdaTheta))
        v128.store(z, state, 48)
        spikes = i32x4.add(spikes, v128.and(firing(state), mark))
      }
      if (n == 1 && v) {
        const kept = v128.andnot(v128.load(head, 48), firing(state))
        v128.store(v + (at << 2), f32x4.add(state, kept))
      }
      // Four bytes of masks, four of counts.
      const bytes = i8x16.shuffle(
        spikes,
        spikes,
        0,
        4,
        8,
        12,
        2,
        6,
        10,
        14,
        0,
        4,
        8,
        12,
        2,
        6,
        10,
        14,
      )
      if (t) {
        const before: u32 = step & 7 ? load<u32>(masks + at) : 0
        store<u32>(masks + at, before | i32x4.extract_lane(bytes, 0))
        store<u32>(counts + at, load<u32>(counts + at) + i32x4.extract_lane(bytes, 1))
      } else {
        v128.store32_lane(masks + at, bytes, 0)
        v128.store32_lane(counts + at, bytes, 1)
      }
      total = i32x4.add(total, i32x4.shr_u(spikes, 16))
      if (xhatA) addNormalised(xhatA + (at << 2), a, aStep, channel + 32, t, step, n, still)
      if (hasB && xhatB) addNormalised(xhatB + (at << 2), b, bStep, channel + 80, t, step, n, still)
      a += 16
      b += 16
      at += 4
      channel += hasB ? CHANNEL_B : CHANNEL_A
      z += stateBytes
    }
    rowA += <usize>load<u32>(rec, NeuronWord.APixelBytes * 4)
    rowB += <usize>load<u32>(rec, NeuronWord.BPixelBytes * 4)
  }
  return sumLanes(total)
}

/** The input at the step with this mark, in units of z; a, b: where the terms are. */
// @ts-ignore: decorator
@inline
function sumTerms(
  a: usize,
  b: usize,
  arriving: v128,
  mark: v128,
  scale: v128,
  shift: v128,
  scaleB: v128,
  scaleS: v128,
  hasB: bool,
  hasS: bool,
): v128 {
  let sum = f32x4.add(f32x4.mul(v128.load(a), scale), shift)
  if (hasB) sum = f32x4.add(sum, f32x4.mul(v128.load(b), scaleB))
  // Masks are bytes: of a mark they meet its bit alone.
  if (hasS)
    sum = f32x4.add(sum, v128.and(i32x4.gt_s(v128.and(arriving, mark), i32x4.splat(0)), scaleS))
  return sum
}

// @ts-ignore: decorator
@inline
function firing(z: v128): v128 {
  return f32x4.ge(z, f32x4.splat(0))
}

/** r of the next step. */
// @ts-ignore: decorator
@inline
function remaining(z: v128, lambda: v128, lambdaTheta: v128): v128 {
  return f32x4.add(f32x4.mul(z, lambda), v128.andnot(lambdaTheta, firing(z)))
}

/**
 * out [4] = or, at t > 0, += the part of n steps in x̂. x is loaded again, since registers are few.
 */
// @ts-ignore: decorator
@inline
function addNormalised(
  out: usize,
  x: usize,
  stepBytes: usize,
  channel: usize,
  t: u32,
  step: u32,
  n: i32,
  still: bool,
): void {
  if (still && step) return
  let sum = v128.load(x)
  if (!still && n > 1) sum = f32x4.add(sum, v128.load(x + stepBytes))
  if (!still && n > 2)
    sum = f32x4.add(sum, f32x4.add(v128.load(x + 2 * stepBytes), v128.load(x + 3 * stepBytes)))
  sum = f32x4.mul(sum, v128.load(channel))
  if (!step) sum = f32x4.add(sum, v128.load(channel, 16))
  if (t) sum = f32x4.add(sum, v128.load(out))
  v128.store(out, sum)
}

/** Term A; 4, 2 or 1 steps. */
export function neuronLearn4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, false, false)
}
export function neuronLearn2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, false, false)
}
export function neuronLearn1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, false, false)
}
/** Terms A and B; 4, 2 or 1 steps. */
export function neuronLearnB4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, true, false, false)
}
export function neuronLearnB2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, true, false, false)
}
export function neuronLearnB1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, true, false, false)
}
/** Terms A and S; 4, 2 or 1 steps. */
export function neuronLearnS4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, true, false)
}
export function neuronLearnS2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, true, false)
}
export function neuronLearnS1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, true, false)
}
/** Term A, the same at every step; 4, 2 or 1 steps. */
export function neuronLearnStill4(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 4, false, false, true)
}
export function neuronLearnStill2(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 2, false, false, true)
}
export function neuronLearnStill1(
  rec: usize,
  head: usize,
  first: u32,
  pixels: u32,
  t: u32,
  step: u32,
  z: usize,
): u32 {
  return chargeBody(rec, head, first, pixels, t, step, z, 1, false, false, true)
}
