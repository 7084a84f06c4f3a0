/**
 * Leaky integrate-and-fire neurons: forward with rate and eligibility, and backward (METHOD: LIF neuron, rate-based backpropagation, BPTT).
 *
 *   charge  u_t = λ v_{t−1} + (1 − λ) v0 + κ I_t
 *   fire    s_t = 1 if u_t ≥ θ
 *   reset   v_t = u_t − θ s_t (soft), or v0 where s_t (hard)
 *
 * A neuron is one channel of one pixel. Four neighbouring channels run together, over all T steps, with their state in registers.
 *
 *   masks, counts      bytes [P][C], masks with one plane for each 8 steps
 *   terms A, B         float32 [P][T][C] with pixel and step strides; scale, shift, mean, invStd [groups][C]
 *   eligibility, x̂, v, ρ, h'   float32 [P][C]
 *
 * The loops stand in exported functions of their own, one for each surrogate, so that V8 compiles each with its few constants.
 */
import { ContributionWord, NeuronBackWord, NeuronWord, Surrogate } from './opcodes'
import { logistic, surrogateScale, surrogateSlope, surrogateTimes } from './surrogate'

/** The words of term B follow those of term A in the same order: a term is read through A's words at rec, or at rec + TERM_B. */
const TERM_B: usize = (NeuronWord.B - NeuronWord.A) * 4

/**
 * Forward over T steps, or, where word V is set, one step t of a loop outside that keeps its state in V and Rho.
 *
 *   masks, counts, eligibility, x̂ =    (at steps t > 0 of a loop outside all but masks +=)
 *   eligibility g = κ/TotalSteps Σ_t h'(u_t − θ) ρ_t,  ρ_1 = 1,  ρ_{t+1} = 1 + λ ρ_t ∂v_t/∂u_t
 *   x̂ = 1/TotalSteps Σ_t (x_t − mean)·invStd
 *
 * Step strides count the steps of this call. Outputs alias nothing. Scratch: 16·T + 4·max(2048, (2·T + 1)·C) bytes.
 *
 * Charge and fire run first and leave u in scratch, the surrogate runs over it afterwards: together they would need more registers than
 * there are.
 */
export function neuron(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  const rows = scratch + <usize>load<u32>(rec, NeuronWord.T * 4) * 16
  eligibilityWeights(rec, scratch, t, lambda, kappa)
  let spikes = isPlain(rec, kappa)
    ? runPlain(rec, first, end, scratch, rows, lambda)
    : runGeneral(rec, first, end, t, scratch, rows, lambda, kappa)
  const partial = <usize>load<u32>(rec, NeuronWord.CountPartials * 4) + (<usize>unit << 2)
  if (load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0) spikes += load<u32>(partial)
  store<u32>(partial, spikes)
}

/** λ: the word, or 1 − σ(w) of a learnable w. */
function leak(rec: usize): f32 {
  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  return parameter ? <f32>(1 - logistic(<f64>load<f32>(parameter))) : load<f32>(rec, NeuronWord.Lambda * 4)
}

/** κ: 1, or 1/τ with decayInput, which is σ(w) of a learnable w. */
function inputGain(rec: usize): f32 {
  const kappa = load<f32>(rec, NeuronWord.Kappa * 4)
  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  return parameter && kappa != 1 ? <f32>logistic(<f64>load<f32>(parameter)) : kappa
}

/** Is it the case of the paper, with affine maps before it? It has loops of its own. */
function isPlain(rec: usize, kappa: f32): bool {
  const b = load<u32>(rec, NeuronWord.B * 4)
  const affineA = load<u32>(rec, NeuronWord.AScale * 4) != 0 && load<u32>(rec, NeuronWord.AGroupBytes * 4) == 0
  const affineB = load<u32>(rec, NeuronWord.BScale * 4) != 0 && load<u32>(rec, NeuronWord.BGroupBytes * 4) == 0
  return hasCommonTrace(rec) && kappa == 1 && load<f32>(rec, NeuronWord.Rest * 4) == 0
    && affineA && (b == 0 || affineB && load<u32>(rec, NeuronWord.S * 4) == 0)
    && (load<u32>(rec, NeuronWord.V * 4) | load<u32>(rec, NeuronWord.SurrogateOut * 4)) == 0
    && load<u32>(rec, NeuronWord.T * 4) == load<u32>(rec, NeuronWord.TotalSteps * 4)
    && (load<u32>(rec, NeuronWord.Eligibility * 4) != 0 || (load<u32>(rec, NeuronWord.AXhat * 4) | load<u32>(rec, NeuronWord.BXhat * 4)) == 0)
}

/** With a soft, detached reset ρ_t is the same for every neuron. */
// @ts-ignore: decorator
@inline
function hasCommonTrace(rec: usize): bool {
  return load<u32>(rec, NeuronWord.HardReset * 4) == 0 && load<u32>(rec, NeuronWord.Detach * 4) != 0
}

/** weights [T][4] = κ/TotalSteps · ρ_t · the surrogate's scale, for the steps from t on; used where ρ is the same for every neuron. */
function eligibilityWeights(rec: usize, weights: usize, t: i32, lambda: f32, kappa: f32): void {
  if (!hasCommonTrace(rec)) return
  const scale = surrogateScale(load<i32>(rec, NeuronWord.Surrogate * 4), load<f32>(rec, NeuronWord.Alpha * 4))
  const factor = scale * kappa / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const end = t + load<i32>(rec, NeuronWord.T * 4)
  let rho: f32 = 1
  for (let step = 0; step < end; step++) {
    if (step >= t) v128.store(weights + (<usize>(step - t) << 4), f32x4.splat(factor * rho))
    rho = 1 + lambda * rho
  }
}

// The plain case: soft detached reset, κ = 1, v0 = 0, terms with affine maps, which are summed in the loop itself.

/** Floats of scratch that a block of pixels may take. */
const BLOCK_FLOATS: u32 = 2048

/** Pixels first … end − 1 in blocks; returns their spikes. */
function runPlain(rec: usize, first: u32, end: u32, weights: usize, rows: usize, lambda: f32): u32 {
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const eligibility = <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const hasB = load<u32>(rec, NeuronWord.B * 4) != 0
  const hasS = load<u32>(rec, NeuronWord.S * 4) != 0
  if (!eligibility) {
    if (hasB) return neuronPlainB(rec, first, end, rows, lambda)
    return hasS ? neuronPlainS(rec, first, end, rows, lambda) : neuronPlain(rec, first, end, rows, lambda)
  }
  const block = max<u32>(1, BLOCK_FLOATS / (steps * load<u32>(rec, NeuronWord.C * 4)))
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel += block) {
    const stop = min(pixel + block, end)
    if (hasB) spikes += neuronLearnB(rec, pixel, stop, rows, lambda)
    else if (hasS) spikes += neuronLearnS(rec, pixel, stop, rows, lambda)
    else spikes += neuronLearn(rec, pixel, stop, rows, lambda)
    eligibilityAs(kind, rec, eligibility + <usize>pixel * rowBytes, rows, stop - pixel, weights, false)
  }
  return spikes
}

/** Returns the spikes of pixels first … end − 1. Writes (=) masks, counts and, when `learn`, x̂ and potentials [end − first][T][C]. */
// @ts-ignore: decorator
@inline
function plainBody(rec: usize, first: u32, end: u32, potentials: usize, lambdaValue: f32, learn: bool, hasB: bool, hasS: bool): u32 {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const rowBytes = channels << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const spikeScale = f32x4.splat(load<f32>(rec, NeuronWord.SScale * 4))
  const aStep = <usize>load<u32>(rec, NeuronWord.AStepBytes * 4)
  const bStep = <usize>load<u32>(rec, NeuronWord.BStepBytes * 4)
  const planeBytes = <usize>load<u32>(rec, NeuronWord.PlaneBytes * 4)
  const sPlaneBytes = <usize>load<u32>(rec, NeuronWord.SPlaneBytes * 4)
  let total = i32x4.splat(0)
  for (let pixel = first; pixel < end; pixel++) {
    const row = <usize>pixel * channels
    for (let c: usize = 0; c < channels; c += 4) {
      const bytes = c << 2
      const aScale = v128.load(<usize>load<u32>(rec, NeuronWord.AScale * 4) + bytes)
      let shift = v128.load(<usize>load<u32>(rec, NeuronWord.AShift * 4) + bytes)
      let a = <usize>load<u32>(rec, NeuronWord.A * 4) + <usize>pixel * load<u32>(rec, NeuronWord.APixelBytes * 4) + bytes
      let b: usize = 0
      let bScale = f32x4.splat(0)
      if (hasB) {
        bScale = v128.load(<usize>load<u32>(rec, NeuronWord.BScale * 4) + bytes)
        shift = f32x4.add(shift, v128.load(<usize>load<u32>(rec, NeuronWord.BShift * 4) + bytes))
        b = <usize>load<u32>(rec, NeuronWord.B * 4) + <usize>pixel * load<u32>(rec, NeuronWord.BPixelBytes * 4) + bytes
      }
      let source = hasS ? <usize>load<u32>(rec, NeuronWord.S * 4) + row + c : 0
      let masks = <usize>load<u32>(rec, NeuronWord.Masks * 4) + row + c
      let v = f32x4.splat(0)
      let sumA = f32x4.splat(0)
      let sumB = f32x4.splat(0)
      let potential = potentials + bytes
      let count = i32x4.splat(0)
      let left = steps
      do {
        let n = min<u32>(left, 8)
        left -= n
        let mask = i32x4.splat(0)
        let bit = i32x4.splat(1)
        let arriving = i32x4.splat(0)
        if (hasS) arriving = widenBytes(source)
        do {
          const xA = v128.load(a)
          a += aStep
          sumA = f32x4.add(sumA, xA)
          let current = f32x4.add(f32x4.mul(xA, aScale), shift)
          if (hasB) {
            const xB = v128.load(b)
            b += bStep
            sumB = f32x4.add(sumB, xB)
            current = f32x4.add(current, f32x4.mul(xB, bScale))
          }
          if (hasS) current = f32x4.add(current, v128.and(i32x4.eq(v128.and(arriving, bit), bit), spikeScale))
          const u = f32x4.add(f32x4.mul(lambda, v), current)
          const fired = f32x4.ge(u, theta)
          mask = v128.or(mask, v128.and(fired, bit))
          bit = i32x4.shl(bit, 1)
          count = i32x4.sub(count, fired)
          v = f32x4.sub(u, v128.and(fired, theta))
          if (learn) {
            v128.store(potential, u)
            potential += rowBytes
          }
        } while (--n)
        v128.store32_lane(masks, packBytes(mask), 0)
        masks += planeBytes
        if (hasS) source += sPlaneBytes
      } while (left)
      v128.store32_lane(<usize>load<u32>(rec, NeuronWord.Counts * 4) + row + c, packBytes(count), 0)
      total = i32x4.add(total, count)
      if (learn) {
        storeNormalisedMean(rec, (row << 2) + bytes, bytes, sumA, steps)
        if (hasB) storeNormalisedMean(rec + TERM_B, (row << 2) + bytes, bytes, sumB, steps)
      }
    }
    if (learn) potentials += <usize>steps * rowBytes
  }
  return sumLanes(total)
}

/** x̂[at] = (sum/steps − mean)·invStd of a term, when it is wanted. */
// @ts-ignore: decorator
@inline
function storeNormalisedMean(term: usize, at: usize, channel: usize, sum: v128, steps: u32): void {
  const xhat = <usize>load<u32>(term, NeuronWord.AXhat * 4)
  if (!xhat) return
  const mean = v128.load(<usize>load<u32>(term, NeuronWord.AMean * 4) + channel)
  const invStd = v128.load(<usize>load<u32>(term, NeuronWord.AInvStd * 4) + channel)
  v128.store(xhat + at, f32x4.mul(f32x4.sub(f32x4.mul(sum, f32x4.splat(1 / <f32>steps)), mean), invStd))
}

/** Evaluation, term A. */
export function neuronPlain(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, false, false, false)
}
/** Evaluation, terms A and B. */
export function neuronPlainB(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, false, true, false)
}
/** Evaluation, terms A and S. */
export function neuronPlainS(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, false, false, true)
}
/** Training, term A. */
export function neuronLearn(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, true, false, false)
}
/** Training, terms A and B. */
export function neuronLearnB(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, true, true, false)
}
/** Training, terms A and S. */
export function neuronLearnS(rec: usize, first: u32, end: u32, potentials: usize, lambda: f32): u32 {
  return plainBody(rec, first, end, potentials, lambda, true, false, true)
}

// The general case: one pixel's input currents are summed into scratch, then the neurons run on them.

/** Does the sum of the terms stay the same over the steps of a call? Then it is one row. */
function isConstant(rec: usize): bool {
  return isStatic(rec) && (load<u32>(rec, NeuronWord.B * 4) == 0 || isStatic(rec + TERM_B)) && load<u32>(rec, NeuronWord.S * 4) == 0
}

// @ts-ignore: decorator
@inline
function isStatic(term: usize): bool {
  return (load<u32>(term, NeuronWord.AStepBytes * 4) | load<u32>(term, NeuronWord.AGroupBytes * 4)) == 0
}

/** Is term A alone and unchanged the current, so that it can be read in place? */
function isDirect(rec: usize): bool {
  return load<u32>(rec, NeuronWord.A * 4) != 0 && load<u32>(rec, NeuronWord.AScale * 4) == 0 && load<u32>(rec, NeuronWord.B * 4) == 0
    && load<u32>(rec, NeuronWord.S * 4) == 0
}

/** out [T][C] (or [1][C] when constant) = the sum of the terms at one pixel. */
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
      const masks = s + <usize>(step >> 3) * load<u32>(rec, NeuronWord.SPlaneBytes * 4) + <usize>pixel * channels
      neuronRowSpikes(out, masks, rowBytes, step & 7, load<f32>(rec, NeuronWord.SScale * 4))
    }
    out += rowBytes
  }
}

/** Address of a float term at a pixel and step. */
// @ts-ignore: decorator
@inline
function termRow(term: usize, pixel: u32, step: u32): usize {
  return <usize>load<u32>(term, NeuronWord.A * 4) + <usize>pixel * load<u32>(term, NeuronWord.APixelBytes * 4)
    + <usize>step * load<u32>(term, NeuronWord.AStepBytes * 4)
}

/** out [C] (+)= one row of a float term through its affine map, or as it is. */
function addTerm(term: usize, out: usize, pixel: u32, step: u32, rowBytes: usize, add: bool): void {
  const x = termRow(term, pixel, step)
  if (load<u32>(term, NeuronWord.AScale * 4)) {
    const group = <usize>step * load<u32>(term, NeuronWord.AGroupBytes * 4)
    const scale = <usize>load<u32>(term, NeuronWord.AScale * 4) + group
    const shift = <usize>load<u32>(term, NeuronWord.AShift * 4) + group
    if (add) neuronRowAffineAdd(out, x, rowBytes, scale, shift)
    else neuronRowAffine(out, x, rowBytes, scale, shift)
  } else if (add) {
    neuronRowScaledAdd(out, x, rowBytes, 1)
  } else {
    memory.copy(out, x, rowBytes)
  }
}

/** out [C] = scale·x + shift. */
export function neuronRowAffine(out: usize, x: usize, rowBytes: usize, scale: usize, shift: usize): void {
  for (let i: usize = 0; i < rowBytes; i += 16) {
    v128.store(out + i, f32x4.add(f32x4.mul(v128.load(x + i), v128.load(scale + i)), v128.load(shift + i)))
  }
}

/** out [C] += scale·x + shift. */
export function neuronRowAffineAdd(out: usize, x: usize, rowBytes: usize, scale: usize, shift: usize): void {
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const y = f32x4.add(f32x4.mul(v128.load(x + i), v128.load(scale + i)), v128.load(shift + i))
    v128.store(out + i, f32x4.add(v128.load(out + i), y))
  }
}

/** out [C] += scale where the bit of masks [C] is set. */
export function neuronRowSpikes(out: usize, masks: usize, rowBytes: usize, bit: u32, scale: f32): void {
  const wanted = i32x4.splat(1 << bit)
  const value = f32x4.splat(scale)
  for (let i: usize = 0; i < rowBytes; i += 16) {
    const fired = i32x4.eq(v128.and(widenBytes(masks + (i >> 2)), wanted), wanted)
    v128.store(out + i, f32x4.add(v128.load(out + i), v128.and(fired, value)))
  }
}

/** x̂ [C] of a term at one pixel, when it is wanted: = or, at steps t > 0 of a loop outside, += Σ over the call's steps. */
function normalisedMean(rec: usize, term: usize, pixel: u32, t: i32): void {
  if (!load<u32>(term, NeuronWord.A * 4) || !load<u32>(term, NeuronWord.AXhat * 4)) return
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const weight: f32 = 1 / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4)
  const resume = load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0
  const xhat = <usize>load<u32>(term, NeuronWord.AXhat * 4) + <usize>pixel * rowBytes
  for (let step: u32 = 0; step < steps; step++) {
    const group = <usize>step * load<u32>(term, NeuronWord.AGroupBytes * 4)
    const mean = <usize>load<u32>(term, NeuronWord.AMean * 4) + group
    const invStd = <usize>load<u32>(term, NeuronWord.AInvStd * 4) + group
    neuronRowNormalised(xhat, termRow(term, pixel, step), rowBytes, mean, invStd, weight, resume || step > 0)
  }
}

/** out [C] = or += weight·(x − mean)·invStd. */
export function neuronRowNormalised(out: usize, x: usize, bytes: usize, mean: usize, invStd: usize, weight: f32, accumulate: bool): void {
  const w = f32x4.splat(weight)
  const keep = i32x4.splat(accumulate ? -1 : 0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const y = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(x + i), v128.load(mean + i)), v128.load(invStd + i)), w)
    v128.store(out + i, f32x4.add(v128.and(v128.load(out + i), keep), y))
  }
}

/** Pixels first … end − 1, one at a time; returns their spikes. */
function runGeneral(rec: usize, first: u32, end: u32, t: i32, weights: usize, potentials: usize, lambda: f32, kappa: f32): u32 {
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const eligibility = <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const accumulate = load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0
  const common = hasCommonTrace(rec)
  const needsDerivatives = load<u32>(rec, NeuronWord.SurrogateOut * 4) != 0 || (eligibility != 0 && !common)
  let spikes: u32 = 0
  for (let pixel = first; pixel < end; pixel++) {
    const current = currents(rec, pixel, potentials)
    spikes += neuronFire(rec, pixel, current, currentStep(rec), potentials, t, lambda, kappa)
    normalisedMean(rec, rec, pixel, t)
    normalisedMean(rec, rec + TERM_B, pixel, t)
    if (needsDerivatives) {
      const derivatives = potentials + <usize>steps * rowBytes
      surrogateAs(kind, rec, derivatives, potentials)
      neuronTrace(rec, pixel, potentials, derivatives, t, lambda, kappa)
    }
    if (eligibility && common) {
      eligibilityAs(kind, rec, eligibility + <usize>pixel * rowBytes, potentials, 1, weights, accumulate)
    }
  }
  return spikes
}

/**
 * Address of a pixel's currents, [T][C] or, when they are constant, one row: term A itself, or the sum of the terms, which the potentials
 * may overwrite.
 */
function currents(rec: usize, pixel: u32, potentials: usize): usize {
  if (isDirect(rec)) return termRow(rec, pixel, 0)
  let rows = potentials
  // One row that serves every step stands behind the potentials, where the first of them does not overwrite it.
  if (isConstant(rec)) rows += (<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2
  sumTerms(rec, pixel, rows)
  return rows
}

/** Bytes between steps of `currents`. */
function currentStep(rec: usize): usize {
  if (isDirect(rec)) return load<u32>(rec, NeuronWord.AStepBytes * 4)
  return isConstant(rec) ? 0 : <usize>load<u32>(rec, NeuronWord.C * 4) << 2
}

/** v_t from u_t. */
// @ts-ignore: decorator
@inline
function resetPotential(hard: bool, fired: v128, u: v128, theta: v128, rest: v128): v128 {
  return hard ? v128.bitselect(rest, u, fired) : f32x4.sub(u, v128.and(fired, theta))
}

/**
 * One pixel on its currents [T][C] (stepBytes 0: the same row at every step). Returns its spikes. Writes (=) masks and potentials [T][C],
 * which may be the currents; counts = or, at steps t > 0 of a loop outside, +=; V is read (t > 0) and written when there is one.
 */
export function neuronFire(
  rec: usize, pixel: u32, current: usize, stepBytes: usize, potentials: usize, t: i32, lambdaValue: f32, kappaValue: f32,
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
  for (let c: usize = 0; c < channels; c += 4) {
    const at = (row + c) << 2
    let v = resume ? v128.load(state + at) : rest
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
        const u = f32x4.add(f32x4.add(f32x4.mul(lambda, v), drift), f32x4.mul(kappa, v128.load(source)))
        v128.store(potential, u)
        source += stepBytes
        potential += rowBytes
        const fired = f32x4.ge(u, theta)
        mask = v128.or(mask, v128.and(fired, bit))
        bit = i32x4.shl(bit, 1)
        count = i32x4.sub(count, fired)
        v = resetPotential(hard, fired, u, theta, rest)
      } while (--n)
      v128.store32_lane(masks, packBytes(mask), 0)
      masks += planeBytes
    } while (left)
    if (state) v128.store(state + at, v)
    total = i32x4.add(total, count)
    const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4) + row + c
    if (resume) count = i32x4.add(count, widenBytes(counts))
    v128.store32_lane(counts, packBytes(count), 0)
  }
  return sumLanes(total)
}

/** ∂v_t/∂u_t. */
// @ts-ignore: decorator
@inline
function resetDerivative(hard: bool, detach: bool, fired: v128, u: v128, h: v128, theta: v128, rest: v128): v128 {
  const one = f32x4.splat(1)
  if (hard) {
    const kept = v128.andnot(one, fired)
    return detach ? kept : f32x4.sub(kept, f32x4.mul(f32x4.sub(u, rest), h))
  }
  return detach ? one : f32x4.sub(one, f32x4.mul(theta, h))
}

/**
 * From potentials and derivatives h' [T][C] of one pixel: SurrogateOut = κ h' of the last step, and, where ρ differs between neurons, the
 * eligibility = or, at steps t > 0 of a loop outside, += (then Rho is read when t > 0, and written).
 */
export function neuronTrace(
  rec: usize, pixel: u32, potentials: usize, derivatives: usize, t: i32, lambdaValue: f32, kappaValue: f32,
): void {
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const weight = f32x4.splat(kappaValue / <f32>load<u32>(rec, NeuronWord.TotalSteps * 4))
  const one = f32x4.splat(1)
  const rest = f32x4.splat(load<f32>(rec, NeuronWord.Rest * 4))
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const detach = load<u32>(rec, NeuronWord.Detach * 4) != 0
  const eligibility: usize = hasCommonTrace(rec) ? 0 : <usize>load<u32>(rec, NeuronWord.Eligibility * 4)
  const surrogateOut = <usize>load<u32>(rec, NeuronWord.SurrogateOut * 4)
  const resume = load<u32>(rec, NeuronWord.V * 4) != 0 && t > 0
  const traces = <usize>load<u32>(rec, NeuronWord.Rho * 4)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const at = <usize>pixel * rowBytes + c
    let rho = resume && traces ? v128.load(traces + at) : one
    let sum = f32x4.splat(0)
    let h = sum
    let potential = potentials + c
    let derivative = derivatives + c
    let left = steps
    do {
      const u = v128.load(potential)
      h = v128.load(derivative)
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
    if (surrogateOut) v128.store(surrogateOut + at, f32x4.mul(h, kappa))
  }
}

// Surrogates over potentials, one loop for each kind.

/** out [pixels][C] = or += Σ_t weights[t] · shape(u_t − θ) from potentials [pixels][T][C]. */
// @ts-ignore: decorator
@inline
function eligibilityBody(kind: i32, rec: usize, out: usize, potentials: usize, pixels: u32, weights: usize, accumulate: bool): void {
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const slope = f32x4.splat(surrogateSlope(kind, load<f32>(rec, NeuronWord.Alpha * 4)))
  const keep = i32x4.splat(accumulate ? -1 : 0)
  do {
    for (let c: usize = 0; c < rowBytes; c += 16) {
      let sum = v128.and(v128.load(out + c), keep)
      let potential = potentials + c
      let weight = weights
      let left = steps
      do {
        sum = f32x4.add(sum, surrogateTimes(kind, v128.load(weight), f32x4.sub(v128.load(potential), theta), slope))
        potential += rowBytes
        weight += 16
      } while (--left)
      v128.store(out + c, sum)
    }
    out += rowBytes
    potentials += <usize>steps * rowBytes
  } while (--pixels)
}

/** out [T][C] = h'(u − θ) at one pixel. */
// @ts-ignore: decorator
@inline
function surrogateBody(kind: i32, rec: usize, out: usize, potentials: usize): void {
  const bytes = (<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2
  const alpha = load<f32>(rec, NeuronWord.Alpha * 4)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const slope = f32x4.splat(surrogateSlope(kind, alpha))
  const scale = f32x4.splat(surrogateScale(kind, alpha))
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(out + i, surrogateTimes(kind, scale, f32x4.sub(v128.load(potentials + i), theta), slope))
  }
}

/** The eligibility loop of a kind. */
function eligibilityAs(kind: i32, rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  switch (kind) {
    case Surrogate.Sigmoid: neuronEligibilitySigmoid(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.Atan: neuronEligibilityAtan(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.Triangle: neuronEligibilityTriangle(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.Rectangle: neuronEligibilityRectangle(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.FastSigmoid: neuronEligibilityFastSigmoid(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.PiecewiseExp: neuronEligibilityPiecewiseExp(rec, out, u, pixels, weights, accumulate); break
    case Surrogate.Erf: neuronEligibilityErf(rec, out, u, pixels, weights, accumulate); break
    default: unreachable()
  }
}

/** The derivative loop of a kind. */
function surrogateAs(kind: i32, rec: usize, out: usize, potentials: usize): void {
  switch (kind) {
    case Surrogate.Sigmoid: neuronSurrogateSigmoid(rec, out, potentials); break
    case Surrogate.Atan: neuronSurrogateAtan(rec, out, potentials); break
    case Surrogate.Triangle: neuronSurrogateTriangle(rec, out, potentials); break
    case Surrogate.Rectangle: neuronSurrogateRectangle(rec, out, potentials); break
    case Surrogate.FastSigmoid: neuronSurrogateFastSigmoid(rec, out, potentials); break
    case Surrogate.PiecewiseExp: neuronSurrogatePiecewiseExp(rec, out, potentials); break
    case Surrogate.Erf: neuronSurrogateErf(rec, out, potentials); break
    default: unreachable()
  }
}

export function neuronEligibilitySigmoid(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.Sigmoid, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateSigmoid(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Sigmoid, rec, out, potentials)
}
export function neuronEligibilityAtan(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.Atan, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateAtan(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Atan, rec, out, potentials)
}
export function neuronEligibilityTriangle(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.Triangle, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateTriangle(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Triangle, rec, out, potentials)
}
export function neuronEligibilityRectangle(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.Rectangle, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateRectangle(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Rectangle, rec, out, potentials)
}
export function neuronEligibilityFastSigmoid(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.FastSigmoid, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateFastSigmoid(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.FastSigmoid, rec, out, potentials)
}
export function neuronEligibilityPiecewiseExp(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.PiecewiseExp, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogatePiecewiseExp(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.PiecewiseExp, rec, out, potentials)
}
export function neuronEligibilityErf(rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
  eligibilityBody(Surrogate.Erf, rec, out, u, pixels, weights, accumulate)
}
export function neuronSurrogateErf(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Erf, rec, out, potentials)
}

/** Four bytes as four 32-bit lanes. */
// @ts-ignore: decorator
@inline
function widenBytes(address: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(address)))
}

/** Four 32-bit lanes 0 … 255 as the first four bytes. */
// @ts-ignore: decorator
@inline
function packBytes(lanes: v128): v128 {
  const halves = i16x8.narrow_i32x4_u(lanes, lanes)
  return i8x16.narrow_i16x8_u(halves, halves)
}

// @ts-ignore: decorator
@inline
function sumLanes(lanes: v128): u32 {
  return i32x4.extract_lane(lanes, 0) + i32x4.extract_lane(lanes, 1) + i32x4.extract_lane(lanes, 2) + i32x4.extract_lane(lanes, 3)
}

/**
 * Backward without a time axis: Out [P][T][C] = (Σ contributions) ⊙ Factor [P][C] (0: 1). Also serves the online methods, with h' at one
 * step as the factor, and plain sums of gradients. Out may be the first contribution's own tensor when that one is not pooled.
 * Scratch: none.
 */
export function neuronBackwardRate(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronBackWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronBackWord.Pixels * 4))
  const steps = <usize>load<u32>(rec, NeuronBackWord.T * 4)
  const rowBytes = <usize>load<u32>(rec, NeuronBackWord.C * 4) << 2
  const factor = <usize>load<u32>(rec, NeuronBackWord.Factor * 4)
  const table = <usize>load<u32>(rec, NeuronBackWord.Contributions * 4)
  const count = load<u32>(rec, NeuronBackWord.ContributionCount * 4)
  const out = <usize>load<u32>(rec, NeuronBackWord.Out * 4)
  const pixelBytes = steps * rowBytes
  if (factor && steps == 1 && count == 1 && isContiguous(table, 1, rowBytes)) {
    // The usual layer: one consumer, not pooled.
    const offset = <usize>first * rowBytes
    const g = <usize>load<u32>(table, ContributionWord.Address * 4) + offset
    neuronRowProduct(out + offset, g, <usize>(end - first) * rowBytes, factor + offset, load<f32>(table, ContributionWord.Scale * 4))
    return
  }
  gather(out + <usize>first * pixelBytes, first, end, table, count,
    load<u32>(rec, NeuronBackWord.H * 4), load<u32>(rec, NeuronBackWord.W * 4), <u32>steps, rowBytes)
  if (!factor) return
  for (let pixel = first; pixel < end; pixel++) {
    for (let step: usize = 0; step < steps; step++) {
      const row = out + <usize>pixel * pixelBytes + step * rowBytes
      neuronRowProduct(row, row, rowBytes, factor + <usize>pixel * rowBytes, 1)
    }
  }
}

/** Is the contribution the tensor itself, [P][T][C], so that rows can be taken together? */
function isContiguous(contribution: usize, steps: u32, rowBytes: usize): bool {
  return isUnpooled(contribution) && load<u32>(contribution, ContributionWord.PixelBytes * 4) == steps * <u32>rowBytes
    && (steps == 1 || load<u32>(contribution, ContributionWord.StepBytes * 4) == <u32>rowBytes)
}

// @ts-ignore: decorator
@inline
function isUnpooled(contribution: usize): bool {
  return load<u32>(contribution, ContributionWord.KernelH * 4) == 1 && load<u32>(contribution, ContributionWord.KernelW * 4) == 1
    && load<u32>(contribution, ContributionWord.StrideH * 4) == 1 && load<u32>(contribution, ContributionWord.StrideW * 4) == 1
    && (load<u32>(contribution, ContributionWord.PadH * 4) | load<u32>(contribution, ContributionWord.PadW * 4)) == 0
    && load<u32>(contribution, ContributionWord.Choice * 4) == 0
}

/** out [end − first][T][C] = the sum of the contributions at pixels first … end − 1. */
function gather(out: usize, first: u32, end: u32, table: usize, count: u32, height: u32, width: u32, steps: u32, rowBytes: usize): void {
  const pixelBytes = <usize>steps * rowBytes
  let begin: u32 = 0
  if (count > 0 && isContiguous(table, steps, rowBytes)) {
    const g = <usize>load<u32>(table, ContributionWord.Address * 4) + <usize>first * pixelBytes
    neuronRowScaled(out, g, <usize>(end - first) * pixelBytes, load<f32>(table, ContributionWord.Scale * 4))
    begin = 1
  }
  let x = first % width
  let y = first / width % height
  let image = first / width / height
  for (let pixel = first; pixel < end; pixel++) {
    let written = begin == 1
    for (let i = begin; i < count; i++) {
      written = gatherPixel(out, table + <usize>i * ContributionWord.Bytes, image, y, x, steps, rowBytes, written)
    }
    if (!written) memory.fill(out, 0, pixelBytes)
    out += pixelBytes
    if (++x == width) {
      x = 0
      if (++y == height) {
        y = 0
        image++
      }
    }
  }
}

/** out [T][C] (+)= one contribution at one pixel; returns whether out holds a value now. */
function gatherPixel(out: usize, contribution: usize, image: u32, y: u32, x: u32, steps: u32, rowBytes: usize, written: bool): bool {
  const outH = load<i32>(contribution, ContributionWord.OutH * 4)
  const outW = load<i32>(contribution, ContributionWord.OutW * 4)
  const kernelH = load<i32>(contribution, ContributionWord.KernelH * 4)
  const kernelW = load<i32>(contribution, ContributionWord.KernelW * 4)
  const strideH = load<i32>(contribution, ContributionWord.StrideH * 4)
  const strideW = load<i32>(contribution, ContributionWord.StrideW * 4)
  const scale = load<f32>(contribution, ContributionWord.Scale * 4)
  const address = <usize>load<u32>(contribution, ContributionWord.Address * 4)
  const stepBytes = <usize>load<u32>(contribution, ContributionWord.StepBytes * 4)
  const choice = <usize>load<u32>(contribution, ContributionWord.Choice * 4)
  const top = <i32>y + load<i32>(contribution, ContributionWord.PadH * 4)
  const left = <i32>x + load<i32>(contribution, ContributionWord.PadW * 4)
  // Windows (oy, ox) with oy·stride ≤ y + pad < oy·stride + kernel.
  const oyBegin = max(0, (top - kernelH + strideH) / strideH)
  const oyEnd = min(outH, top / strideH + 1)
  const oxBegin = max(0, (left - kernelW + strideW) / strideW)
  const oxEnd = min(outW, left / strideW + 1)
  for (let oy = oyBegin; oy < oyEnd; oy++) {
    for (let ox = oxBegin; ox < oxEnd; ox++) {
      const window = <usize>((<i32>image * outH + oy) * outW + ox)
      const g = address + window * load<u32>(contribution, ContributionWord.PixelBytes * 4)
      const position = (top - oy * strideH) * kernelW + left - ox * strideW
      for (let step: usize = 0; step < <usize>steps; step++) {
        const row = out + step * rowBytes
        const source = g + step * stepBytes
        if (choice) neuronRowChosen(row, source, rowBytes, choice + window * (rowBytes >> 2), position, scale, written)
        else if (written) neuronRowScaledAdd(row, source, rowBytes, scale)
        else neuronRowScaled(row, source, rowBytes, scale)
      }
      written = true
    }
  }
  return written
}

/** out = scale·g; out may be g. */
export function neuronRowScaled(out: usize, g: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(g + i), s))
}

/** out += scale·g. */
export function neuronRowScaledAdd(out: usize, g: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(v128.load(g + i), s)))
}

/** out = scale·g·factor; out may be g. */
export function neuronRowProduct(out: usize, g: usize, bytes: usize, factor: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(g + i), s), v128.load(factor + i)))
}

/** out = or += scale·g where choice (bytes) is the position, elsewhere 0. */
export function neuronRowChosen(out: usize, g: usize, bytes: usize, choice: usize, position: i32, scale: f32, accumulate: bool): void {
  const s = f32x4.splat(scale)
  const wanted = i32x4.splat(position)
  const keep = i32x4.splat(accumulate ? -1 : 0)
  for (let i: usize = 0; i < bytes; i += 16) {
    const chosen = v128.and(i32x4.eq(widenBytes(choice + (i >> 2)), wanted), f32x4.mul(v128.load(g + i), s))
    v128.store(out + i, f32x4.add(v128.and(v128.load(out + i), keep), chosen))
  }
}

/**
 * Backward through time. Membrane potentials are computed again from the terms, then, from the last step to the first,
 *
 *   ∂L/∂u_t = ∂L/∂s_t h'(u_t − θ) + λ ∂L/∂u_{t+1} ∂v_t/∂u_t
 *   Delta [P][T][C] = κ ∂L/∂u_t
 *   LearnablePartials [units] = Σ over the unit's neurons and t of ∂L/∂w, where w is learnable
 *
 * ∂L/∂s_t is the sum of the contributions (rows [P][T][C]). Delta may be the first contribution's own tensor when that one is not pooled.
 * Scratch: 16 + 4·(2·T + 1)·C bytes.
 */
export function neuronBackwardTime(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const perUnit = load<u32>(rec, NeuronWord.PixelsPerUnit * 4)
  const first = <u32>unit * perUnit
  const end = min(first + perUnit, load<u32>(rec, NeuronWord.Pixels * 4))
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const pixelBytes = <usize>steps * rowBytes
  const kind = load<i32>(rec, NeuronWord.Surrogate * 4)
  const lambda = leak(rec)
  const kappa = inputGain(rec)
  let delta = <usize>load<u32>(rec, NeuronWord.Delta * 4) + <usize>first * pixelBytes
  gather(delta, first, end, load<u32>(rec, NeuronWord.Contributions * 4), load<u32>(rec, NeuronWord.ContributionCount * 4),
    load<u32>(rec, NeuronWord.H * 4), load<u32>(rec, NeuronWord.W * 4), steps, rowBytes)

  const sums = scratch
  const potentials = scratch + 16
  const derivatives = potentials + pixelBytes
  v128.store(sums, f32x4.splat(0))
  for (let pixel = first; pixel < end; pixel++) {
    neuronCharge(rec, currents(rec, pixel, potentials), currentStep(rec), potentials, lambda, kappa)
    surrogateAs(kind, rec, derivatives, potentials)
    neuronBack(rec, delta, potentials, derivatives, sums, lambda, kappa)
    delta += pixelBytes
  }

  const parameter = <usize>load<u32>(rec, NeuronWord.Learnable * 4)
  if (!parameter) return
  const sigma = logistic(<f64>load<f32>(parameter))
  const sum = (<f64>load<f32>(sums) + <f64>load<f32>(sums, 4)) + (<f64>load<f32>(sums, 8) + <f64>load<f32>(sums, 12))
  store<f32>(<usize>load<u32>(rec, NeuronWord.LearnablePartials * 4) + (<usize>unit << 2), <f32>(sum * sigma * (1 - sigma)))
}

/** potentials [T][C] = u_t of one pixel; may be the currents themselves. */
export function neuronCharge(rec: usize, current: usize, stepBytes: usize, potentials: usize, lambdaValue: f32, kappaValue: f32): void {
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const restValue = load<f32>(rec, NeuronWord.Rest * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(restValue)
  const drift = f32x4.splat((1 - lambdaValue) * restValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const steps = load<u32>(rec, NeuronWord.T * 4)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let v = rest
    let source = current + c
    let potential = potentials + c
    let left = steps
    do {
      const u = f32x4.add(f32x4.add(f32x4.mul(lambda, v), drift), f32x4.mul(kappa, v128.load(source)))
      v128.store(potential, u)
      v = resetPotential(hard, f32x4.ge(u, theta), u, theta, rest)
      source += stepBytes
      potential += rowBytes
    } while (--left)
  }
}

/** delta [T][C]: ∂L/∂s becomes κ ∂L/∂u, at one pixel; sums [4] += the learnable parameter's part. */
export function neuronBack(
  rec: usize, delta: usize, potentials: usize, derivatives: usize, sums: usize, lambdaValue: f32, kappaValue: f32,
): void {
  const rowBytes = <usize>load<u32>(rec, NeuronWord.C * 4) << 2
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const kappa = f32x4.splat(kappaValue)
  const rest = f32x4.splat(load<f32>(rec, NeuronWord.Rest * 4))
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const hard = load<u32>(rec, NeuronWord.HardReset * 4) != 0
  const detach = load<u32>(rec, NeuronWord.Detach * 4) != 0
  const learnable = load<u32>(rec, NeuronWord.Learnable * 4) != 0
  const decayInput = load<f32>(rec, NeuronWord.Kappa * 4) != 1
  const last = <usize>(steps - 1) * rowBytes
  let sum = v128.load(sums)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    let potential = potentials + last + c
    let derivative = derivatives + last + c
    let gradient = delta + last + c
    let later = f32x4.splat(0)
    let left = steps
    do {
      const u = v128.load(potential)
      const h = v128.load(derivative)
      const kept = resetDerivative(hard, detach, f32x4.ge(u, theta), u, h, theta, rest)
      later = f32x4.add(f32x4.mul(v128.load(gradient), h), f32x4.mul(f32x4.mul(later, lambda), kept))
      v128.store(gradient, f32x4.mul(later, kappa))
      potential -= rowBytes
      derivative -= rowBytes
      gradient -= rowBytes
      left--
      if (learnable) {
        let v = rest
        if (left) {
          const before = v128.load(potential)
          v = resetPotential(hard, f32x4.ge(before, theta), before, theta, rest)
        }
        // With 1/τ = σ(w): ∂u/∂(1/τ) = v0 − v, and with decayInput I + v0 − v = (u − v)/κ.
        const gain = decayInput ? f32x4.div(f32x4.sub(u, v), kappa) : f32x4.sub(rest, v)
        sum = f32x4.add(sum, f32x4.mul(later, gain))
      }
    } while (left)
  }
  v128.store(sums, sum)
}
