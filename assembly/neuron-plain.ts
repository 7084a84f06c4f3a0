/** The usual layer: soft detached reset, κ = 1, v0 = 0, terms with affine maps, which are summed in the loop itself. */
import { packBytes, sumLanes, widenBytes } from './lanes'
import { TERM_B } from './neuron-dynamics'
import { eligibilityAs } from './neuron-surrogate'
import { NeuronWord } from './opcodes'

/** Floats of scratch that a block of pixels may take. */
const BLOCK_FLOATS: u32 = 2048

/** Pixels first … end − 1 in blocks; returns their spikes. */
export function runPlain(rec: usize, first: u32, end: u32, weights: usize, rows: usize, lambda: f32): u32 {
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
