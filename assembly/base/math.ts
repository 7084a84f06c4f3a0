/**
 * Functions of one number in float64. Those of the standard library need a table in static data.
 */

const LN_2_HIGH: f64 = 0.6931471803691238
const LN_2_LOW: f64 = 1.9082149292705877e-10

/**
 * e^x to about one unit in the last place. Above 708 it stays at e^708, below −708 it is 0; NaN
 * stays NaN.
 */
export function exponential(x: f64): f64 {
  if (isNaN(x)) return x
  if (x > 708) x = 708
  if (x < -708) return 0
  const n = Math.floor(x * Math.LOG2E + 0.5)
  const r = x - n * LN_2_HIGH - n * LN_2_LOW
  // The Taylor series for |r| ≤ ln 2 / 2, up to a term of 1e-17.
  let sum: f64 = 1
  for (let k = 13; k > 0; k--) sum = 1 + (sum * r) / <f64>k
  return sum * reinterpret<f64>((<i64>n + 1023) << 52)
}

/** ln x for positive normal x. */
export function logarithm(x: f64): f64 {
  const bits = reinterpret<u64>(x)
  let exponent = <i32>(bits >> 52) - 1023
  let m = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000)
  if (m > Math.SQRT2) {
    m *= 0.5
    exponent++
  }
  // ln m = 2 artanh((m − 1)/(m + 1)), whose argument is below 0.172.
  const q = (m - 1) / (m + 1)
  const w = q * q
  let sum: f64 = 0
  for (let k = 21; k > 0; k -= 2) sum = sum * w + 1 / <f64>k
  return <f64>exponent * LN_2_HIGH + (<f64>exponent * LN_2_LOW + 2 * q * sum)
}

/** σ(x) = 1/(1 + e^−x). */
export function logistic(x: f64): f64 {
  return 1 / (1 + exponential(-x))
}
