/**
 * Surrogate derivatives, with one loop for each kind, so that V8 compiles each with its own few
 * constants.
 */

import { NeuronWord, Surrogate } from '../opcodes'
import { surrogateScale, surrogateSlope, surrogateTimes } from './surrogate'

/**
 * out [count][4] = or += Σ over n steps of weights [n][4] · shape(slope [4] · z). z is
 * [count][n][4], where stateBytes lie from one [n][4] to the next; n is 4, 2 or 1. The sigmoid has
 * a loop for each n, the other kinds take the steps one by one.
 */
export function addSurrogates(
  kind: i32,
  n: u32,
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  if (kind == Surrogate.Sigmoid) {
    if (n == 4) neuronSigmoid4(out, z, stateBytes, count, weights, slope, add)
    else if (n == 2) neuronSigmoid2(out, z, stateBytes, count, weights, slope, add)
    else neuronSigmoid1(out, z, stateBytes, count, weights, slope, add)
    return
  }
  for (; n; n--) {
    switch (kind) {
      case Surrogate.Atan:
        neuronAtan(out, z, stateBytes, count, weights, slope, add)
        break
      case Surrogate.Triangle:
        neuronTriangle(out, z, stateBytes, count, weights, slope, add)
        break
      case Surrogate.Rectangle:
        neuronRectangle(out, z, stateBytes, count, weights, slope, add)
        break
      case Surrogate.FastSigmoid:
        neuronFastSigmoid(out, z, stateBytes, count, weights, slope, add)
        break
      case Surrogate.PiecewiseExp:
        neuronPiecewiseExp(out, z, stateBytes, count, weights, slope, add)
        break
      case Surrogate.Erf:
        neuronErf(out, z, stateBytes, count, weights, slope, add)
        break
      default:
        unreachable()
    }
    z += 16
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
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  const keep = i32x4.splat(add ? -1 : 0)
  for (; count; count--) {
    let sum = f32x4.add(
      v128.and(v128.load(out), keep),
      surrogateTimes(kind, v128.load(weights), f32x4.mul(v128.load(z), v128.load(slope))),
    )
    if (n > 1)
      sum = f32x4.add(
        sum,
        surrogateTimes(kind, v128.load(weights, 16), f32x4.mul(v128.load(z, 16), v128.load(slope))),
      )
    if (n > 2) {
      sum = f32x4.add(
        sum,
        surrogateTimes(kind, v128.load(weights, 32), f32x4.mul(v128.load(z, 32), v128.load(slope))),
      )
      sum = f32x4.add(
        sum,
        surrogateTimes(kind, v128.load(weights, 48), f32x4.mul(v128.load(z, 48), v128.load(slope))),
      )
    }
    v128.store(out, sum)
    out += 16
    z += stateBytes
  }
}

/** `addSurrogates` of the kind sigmoid over 4 steps. */
export function neuronSigmoid4(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 4, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind sigmoid over 2 steps. */
export function neuronSigmoid2(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 2, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind sigmoid over 1 step. */
export function neuronSigmoid1(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Sigmoid, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind atan over 1 step. */
export function neuronAtan(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Atan, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind triangle over 1 step. */
export function neuronTriangle(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Triangle, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind rectangle over 1 step. */
export function neuronRectangle(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Rectangle, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind fastSigmoid over 1 step. */
export function neuronFastSigmoid(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.FastSigmoid, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind piecewiseExp over 1 step. */
export function neuronPiecewiseExp(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.PiecewiseExp, 1, out, z, stateBytes, count, weights, slope, add)
}

/** `addSurrogates` of the kind erf over 1 step. */
export function neuronErf(
  out: usize,
  z: usize,
  stateBytes: usize,
  count: u32,
  weights: usize,
  slope: usize,
  add: bool,
): void {
  addSurrogatesBody(Surrogate.Erf, 1, out, z, stateBytes, count, weights, slope, add)
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
