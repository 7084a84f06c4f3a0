/**
 * Surrogate derivatives, with one loop for each kind, so that V8 compiles each with its own few
 * constants.
 */

import { NeuronWord, Surrogate } from '../opcodes'
import { surrogateScale, surrogateSlope, surrogateTimes } from './surrogate'

/**
 * out [count][4] = or += Σ over n steps of weights [n][4] · shape(slope [4] · z). z is
 * [⌈count/2⌉][n][2][4], where pairBytes lie from one [n][2][4] to the next; n is 4, 2 or 1. In
 * weights and slope the four lanes are equal. The sigmoid has a loop for each n, the other kinds
 * take the steps one by one.
 */
export function addSurrogates(
  kind: i32,
  n: u32,
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  if (kind == Surrogate.Sigmoid) {
    if (n == 4) neuronSigmoid4(out, z, pairBytes, count, weights, slope, add)
    else if (n == 2) neuronSigmoid2(out, z, pairBytes, count, weights, slope, add)
    else neuronSigmoid1(out, z, pairBytes, count, weights, slope, add)
    return
  }
  for (; n; n--) {
    switch (kind) {
      case Surrogate.Atan:
        neuronAtan(out, z, pairBytes, count, weights, slope, add)
        break
      case Surrogate.Triangle:
        neuronTriangle(out, z, pairBytes, count, weights, slope, add)
        break
      case Surrogate.Rectangle:
        neuronRectangle(out, z, pairBytes, count, weights, slope, add)
        break
      case Surrogate.FastSigmoid:
        neuronFastSigmoid(out, z, pairBytes, count, weights, slope, add)
        break
      case Surrogate.PiecewiseExp:
        neuronPiecewiseExp(out, z, pairBytes, count, weights, slope, add)
        break
      case Surrogate.Erf:
        neuronErf(out, z, pairBytes, count, weights, slope, add)
        break
      default:
        unreachable()
    }
    z += 32
    weights += 16
    add = true
  }
}

/**
 * The body of the loops below, which have the arguments of `addSurrogates`. kind and n are
 * constants.
 */
// @ts-ignore: decorator
@inline
function addSurrogatesBody(
  kind: i32,
  n: i32,
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  const keep = i32x4.splat(add ? -1 : 0)
  for (; count > 1; count -= 2) {
    let sum0 = addStep(kind, v128.and(v128.load(out), keep), z, weights, slope)
    let sum1 = addStep(kind, v128.and(v128.load(out, 16), keep), z + 16, weights, slope)
    if (n > 1) {
      sum0 = addStep(kind, sum0, z + 32, weights + 16, slope)
      sum1 = addStep(kind, sum1, z + 48, weights + 16, slope)
    }
    if (n > 2) {
      sum0 = addStep(kind, sum0, z + 64, weights + 32, slope)
      sum1 = addStep(kind, sum1, z + 80, weights + 32, slope)
      sum0 = addStep(kind, sum0, z + 96, weights + 48, slope)
      sum1 = addStep(kind, sum1, z + 112, weights + 48, slope)
    }
    v128.store(out, sum0)
    v128.store(out, sum1, 16)
    out += 32
    z += pairBytes
  }
  if (count) {
    let sum = addStep(kind, v128.and(v128.load(out), keep), z, weights, slope)
    if (n > 1) sum = addStep(kind, sum, z + 32, weights + 16, slope)
    if (n > 2) {
      sum = addStep(kind, sum, z + 64, weights + 32, slope)
      sum = addStep(kind, sum, z + 96, weights + 48, slope)
    }
    v128.store(out, sum)
  }
}

/** sum + weight · shape(slope · z) of one step. */
// @ts-ignore: decorator
@inline
function addStep(kind: i32, sum: v128, z: usize, weight: usize, slope: usize): v128 {
  const x = f32x4.mul(v128.load(z), v128.load32_splat(slope))
  return f32x4.add(sum, surrogateTimes(kind, v128.load32_splat(weight), x))
}

/** `addSurrogates` of the kind sigmoid over 4 steps. */
export function neuronSigmoid4(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 4, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind sigmoid over 2 steps. */
export function neuronSigmoid2(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 2, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind sigmoid over 1 step. */
export function neuronSigmoid1(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind atan over 1 step. */
export function neuronAtan(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Atan, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind triangle over 1 step. */
export function neuronTriangle(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Triangle, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind rectangle over 1 step. */
export function neuronRectangle(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Rectangle, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind fastSigmoid over 1 step. */
export function neuronFastSigmoid(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.FastSigmoid, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind piecewiseExp over 1 step. */
export function neuronPiecewiseExp(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.PiecewiseExp, 1, out, z, pairBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind erf over 1 step. */
export function neuronErf(
  out: usize,
  z: usize,
  pairBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Erf, 1, out, z, pairBytes, count, weights, slope, add)
}

/**
 * out [T][C] = h'(u − θ) at one pixel, of the kind that the record names. potentials [T][C] = u.
 */
export function surrogate(rec: usize, out: usize, potentials: usize): void {
  switch (load<i32>(rec, NeuronWord.Surrogate * 4)) {
    case Surrogate.Sigmoid:
      neuronSurrogateSigmoid(rec, out, potentials)
      break
    case Surrogate.Atan:
      neuronSurrogateAtan(rec, out, potentials)
      break
    case Surrogate.Triangle:
      neuronSurrogateTriangle(rec, out, potentials)
      break
    case Surrogate.Rectangle:
      neuronSurrogateRectangle(rec, out, potentials)
      break
    case Surrogate.FastSigmoid:
      neuronSurrogateFastSigmoid(rec, out, potentials)
      break
    case Surrogate.PiecewiseExp:
      neuronSurrogatePiecewiseExp(rec, out, potentials)
      break
    case Surrogate.Erf:
      neuronSurrogateErf(rec, out, potentials)
      break
    default:
      unreachable()
  }
}

/** The body of the loops below, which have the arguments of `surrogate`. kind is a constant. */
// @ts-ignore: decorator
@inline
function surrogateBody(kind: i32, rec: usize, out: usize, potentials: usize): void {
  const bytes = (<usize>load<u32>(rec, NeuronWord.T * 4) * load<u32>(rec, NeuronWord.C * 4)) << 2
  const alpha = load<f32>(rec, NeuronWord.Alpha * 4)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const slope = f32x4.splat(surrogateSlope(kind, alpha))
  const scale = f32x4.splat(surrogateScale(kind, alpha))
  for (let i: usize = 0; i < bytes; i += 16) {
    v128.store(
      out + i,
      surrogateTimes(kind, scale, f32x4.mul(f32x4.sub(v128.load(potentials + i), theta), slope)),
    )
  }
}

/** `surrogate` of the kind sigmoid. */
export function neuronSurrogateSigmoid(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Sigmoid, rec, out, potentials)
}

/** `surrogate` of the kind atan. */
export function neuronSurrogateAtan(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Atan, rec, out, potentials)
}

/** `surrogate` of the kind triangle. */
export function neuronSurrogateTriangle(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Triangle, rec, out, potentials)
}

/** `surrogate` of the kind rectangle. */
export function neuronSurrogateRectangle(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Rectangle, rec, out, potentials)
}

/** `surrogate` of the kind fastSigmoid. */
export function neuronSurrogateFastSigmoid(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.FastSigmoid, rec, out, potentials)
}

/** `surrogate` of the kind piecewiseExp. */
export function neuronSurrogatePiecewiseExp(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.PiecewiseExp, rec, out, potentials)
}

/** `surrogate` of the kind erf. */
export function neuronSurrogateErf(rec: usize, out: usize, potentials: usize): void {
  surrogateBody(Surrogate.Erf, rec, out, potentials)
}
