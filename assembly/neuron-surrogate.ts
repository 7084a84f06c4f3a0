/** Surrogates over potentials, one loop for each kind, so that V8 compiles each with its few constants. */
import { NeuronWord, Surrogate } from './opcodes'
import { surrogateScale, surrogateSlope, surrogateTimes } from './surrogate'

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
export function eligibilityAs(kind: i32, rec: usize, out: usize, u: usize, pixels: u32, weights: usize, accumulate: bool): void {
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
export function surrogateAs(kind: i32, rec: usize, out: usize, potentials: usize): void {
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
