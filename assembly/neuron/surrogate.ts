/**
 * Surrogate derivatives h'(x) of the firing function at x = u − θ, four at a time.
 *
 *   h'(x) = surrogateScale(kind, α) · shape(surrogateSlope(kind, α) · x)
 *
 * The caller computes scale and slope once and puts its own factors into `factor`. One division
 * then gives factor · shape:
 *
 *   kind           scale        slope           shape(z)
 *   sigmoid        α/4          α·COSH_SLOPE    1/cosh²(z/(2·COSH_SLOPE)), from products (below)
 *   atan           α/2          πα/2            1/(1 + z²)
 *   triangle       α            α               max(0, 1 − |z|)
 *   rectangle      α            2α              1 if |z| < 1
 *   fastSigmoid    1            α               1/(1 + |z|)²
 *   piecewiseExp   α/2          α·log2 e        2^−|z|
 *   erf            α/√π         α·√(log2 e)     2^−z²
 *
 * NaN stays NaN for every kind, so that a step that overflowed is reported. `kind` has to be a
 * constant at every call of `surrogateTimes`, which removes the branches.
 */

import { Surrogate } from '../opcodes'

/**
 * cosh(x/2) − 1 ≈ y₃, where
 *
 *   y₀ = (COSH_SLOPE·x)²,  y₁ = y₀(y₀ + a),  y₂ = y₁(y₁ + b),  y₃ = y₂(y₂ + c)
 *
 * The form follows cosh(2x) − 1 = 2y(y + 2) with y = cosh(x) − 1; four products give degree 16.
 * 1/(1 + y₃)² is within 3.6e-7 of 1/cosh²(x/2), and within 5.4e-7 in float32. All numbers are
 * positive: nothing cancels, nothing has to be clamped, and the result falls to 0 for large x. The
 * constants were found by linear programming on the error of the result.
 */
const COSH_SLOPE: f64 = 0.066837804
const COSH_A: f32 = 2.8197235
const COSH_B: f32 = 3.5129895
const COSH_C: f32 = 2.8247537

/** The factor of the shape. */
export function surrogateScale(kind: i32, alpha: f32): f32 {
  switch (kind) {
    case Surrogate.Sigmoid:
      return alpha * 0.25
    case Surrogate.Atan:
    case Surrogate.PiecewiseExp:
      return alpha * 0.5
    case Surrogate.FastSigmoid:
      return 1
    case Surrogate.Erf:
      return <f32>(<f64>alpha * 0.5641895835477563)
    default:
      return alpha
  }
}

/** The factor of x inside the shape. */
export function surrogateSlope(kind: i32, alpha: f32): f32 {
  switch (kind) {
    case Surrogate.Sigmoid:
      return <f32>(<f64>alpha * COSH_SLOPE)
    case Surrogate.Atan:
      return <f32>(<f64>alpha * 1.5707963267948966)
    case Surrogate.Rectangle:
      return alpha * 2
    case Surrogate.PiecewiseExp:
      return <f32>(<f64>alpha * Math.LOG2E)
    case Surrogate.Erf:
      return <f32>(<f64>alpha * Math.sqrt(Math.LOG2E))
    default:
      return alpha
  }
}

/** factor · shape(z) in each lane. */
// @ts-ignore: decorator
@inline
export function surrogateTimes(kind: i32, factor: v128, z: v128): v128 {
  if (kind == Surrogate.Sigmoid) {
    let y = f32x4.mul(z, z)
    y = f32x4.mul(y, f32x4.add(y, f32x4.splat(COSH_A)))
    y = f32x4.mul(y, f32x4.add(y, f32x4.splat(COSH_B)))
    y = f32x4.mul(y, f32x4.add(y, f32x4.splat(COSH_C)))
    const p = f32x4.add(y, f32x4.splat(1))
    return f32x4.div(factor, f32x4.mul(p, p))
  }
  if (kind == Surrogate.Atan) return f32x4.div(factor, f32x4.add(f32x4.splat(1), f32x4.mul(z, z)))
  if (kind == Surrogate.Triangle)
    return f32x4.mul(factor, f32x4.pmax(f32x4.sub(f32x4.splat(1), f32x4.abs(z)), f32x4.splat(0)))
  if (kind == Surrogate.Rectangle)
    return v128.or(v128.and(factor, f32x4.lt(f32x4.abs(z), f32x4.splat(1))), f32x4.ne(z, z))
  if (kind == Surrogate.FastSigmoid) {
    const p = f32x4.add(f32x4.splat(1), f32x4.abs(z))
    return f32x4.div(factor, f32x4.mul(p, p))
  }
  if (kind == Surrogate.PiecewiseExp)
    return f32x4.mul(factor, exp2Negative(f32x4.neg(f32x4.abs(z))))
  return f32x4.mul(factor, exp2Negative(f32x4.neg(f32x4.mul(z, z))))
}

/** 2^y for y ≤ 0, with a relative error of 2e-7. For y < −125 it is 2^−125. */
// @ts-ignore: decorator
@inline
function exp2Negative(y: v128): v128 {
  // Adding 1.5·2^23 leaves the nearest integer in the low bits, from where it moves to the
  // exponent.
  const magic = f32x4.splat(12582912)
  const bounded = f32x4.pmax(y, f32x4.splat(-125))
  const shifted = f32x4.add(bounded, magic)
  const f = f32x4.sub(bounded, f32x4.sub(shifted, magic))
  let p = f32x4.add(f32x4.mul(f32x4.splat(0.00132646759), f), f32x4.splat(0.00967151662))
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.0555073401))
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.24022242))
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.693146977))
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(1))
  return i32x4.add(p, i32x4.shl(shifted, 23))
}
