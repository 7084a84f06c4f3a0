/**
 * Weights as whole numbers with one scale for each output channel, and back:
 *
 *   s = max |w| / Most, rounded up to 17 significant bits
 *   q = w / s, to the nearest integer, halves to even
 *
 * |q| takes up to 7 bits, and float32 has 24. So q · s is exact, and weights that are such products
 * have the same q and s again.
 */

import { QuantisedRecord } from '../generated/records'

/** Bits of a float64 behind the 17 first of its 53 significant ones. */
const BEHIND: u64 = ((<u64>1) << 36) - 1

/**
 * Bytes i8 [outC / blockWidth][kRows][blockWidth] = q and WeightScale float32 [outC] = s of Weight,
 * float32 in the order of Bytes. A channel of zeros has the scale 0, and one with a weight that is
 * not finite has a scale that is not. Unit = one block of output channels. Scratch: none.
 */
export function quantise(rec: QuantisedRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const at = <usize>(unit * rec.kRows * width)
  const weight = rec.weight + (at << 2)
  const end = weight + ((<usize>(rec.kRows * width)) << 2)
  const scales = rec.weightScale + ((<usize>(unit * width)) << 2)
  if (width == 32) largest32(scales, weight, end)
  else if (width == 16) largest16(scales, weight, end)
  else if (width == 8) largest8(scales, weight, end)
  else largest4(scales, weight, end)
  for (let i: usize = 0; i < (<usize>width) << 2; i += 4) {
    const bits = reinterpret<u64>(<f64>load<f32>(scales + i) / <f64>rec.most)
    store<f32>(scales + i, <f32>reinterpret<f64>((bits + BEHIND) & ~BEHIND))
  }
  const bytes = rec.bytes + at
  if (width == 32) quantiseRows32(bytes, weight, end, scales)
  else if (width == 16) quantiseRows16(bytes, weight, end, scales)
  else if (width == 8) quantiseRows8(bytes, weight, end, scales)
  else quantiseRows4(bytes, weight, end, scales)
}

/** out[W] = the largest |w| of rows [W] from `weight` to `end`; NaN where one is. */
// @ts-ignore: decorator
@variants('largest', [32, 16, 8, 4])
export function largest(W: i32, out: usize, weight: usize, end: usize): void {
  const s = locals<v128>(W / 4, i32x4.splat(0))
  for (; weight < end; weight += 4 * W)
    for (let i: unroll = 0; i < W / 4; i++)
      s[i] = f32x4.max(s[i], f32x4.abs(v128.load(weight, 16 * i)))
  for (let i: unroll = 0; i < W / 4; i++) v128.store(out, s[i], 16 * i)
}

/** 4 weights as integers; 0 where the scale is 0. */
// @ts-ignore: decorator
@inline
function nearest4(weight: usize, scales: usize): v128 {
  // A quotient that is not a number becomes 0.
  const quotient = f32x4.div(v128.load(weight), v128.load(scales))
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(quotient))
}

/** bytes [rows][W] = the integers of rows [W] from `weight` to `end`. */
// @ts-ignore: decorator
@variants('quantiseRows', [32, 16, 8, 4])
export function quantiseRows(
  W: i32,
  bytes: usize,
  weight: usize,
  end: usize,
  scales: usize,
): void {
  for (; weight < end; weight += 4 * W) {
    for (let i: unroll = 0; i < (W + 7) / 8; i++) {
      const low = nearest4(weight + 32 * i, scales + 32 * i)
      const high = W > 4 ? nearest4(weight + 32 * i + 16, scales + 32 * i + 16) : low
      const words = i16x8.narrow_i32x4_s(low, high)
      const packed = i8x16.narrow_i16x8_s(words, words)
      if (W > 4) v128.store64_lane(bytes + 8 * i, packed, 0)
      else v128.store32_lane(bytes, packed, 0)
    }
    bytes += W
  }
}

/**
 * Out = Bytes · WeightScale, float32 in the order of Bytes. Unit = one block of output channels.
 * Scratch: none.
 */
export function dequantise(rec: QuantisedRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const at = <usize>(unit * rec.kRows * width)
  const bytes = rec.bytes + at
  const scales = rec.weightScale + ((<usize>(unit * width)) << 2)
  dequantiseRows(rec.out + (at << 2), bytes, bytes + <usize>(rec.kRows * width), scales, width)
}

/** out [rows][width] = the products of rows from `bytes` to `end` with the scales. */
export function dequantiseRows(
  out: usize,
  bytes: usize,
  end: usize,
  scales: usize,
  width: usize,
): void {
  for (; bytes < end; bytes += width)
    for (let i: usize = 0; i < width; i += 4) {
      const words = i16x8.extend_low_i8x16_s(v128.load32_zero(bytes + i))
      const values = f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(words))
      v128.store(out, f32x4.mul(values, v128.load(scales + (i << 2))))
      out += 16
    }
}
