/**
 * Weights as whole numbers with one scale for each output channel, and back:
 *
 *   s = max |w| / Most, rounded up to 17 significant bits, down where Most · s would be infinite
 *   q = w / s, to the nearest integer, halves to even
 *
 * |q| takes up to 7 bits, and float32 has 24. So q · s is exact, and weights that are such products
 * have the same q and s again, while s ≥ 2^-133: smaller ones have fewer bits. Rounded down, s is
 * too small by less than 2^-16 of it, and the largest quotient still goes to Most.
 */

import { QuantisedRecord } from '../generated/records'

/** Bits of a float64 behind the 17 first of its 53 significant ones. */
const BEHIND: u64 = ((<u64>1) << 36) - 1

/**
 * Bytes [outC / blockWidth][kRows][blockWidth] = q, two in a word (byte-sums.ts), and WeightScale
 * float32 [outC] = s of Weight, float32 [outC / blockWidth][kRows][blockWidth]. A channel of zeros
 * has the scale 0, and one with a weight that is not finite has a scale that is not. Unit = one
 * block of output channels. Scratch: none.
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
    let scale = reinterpret<f64>((bits + BEHIND) & ~BEHIND)
    if (scale * <f64>rec.most > <f64>f32.MAX_VALUE) scale = reinterpret<f64>(bits & ~BEHIND)
    // Below 2^-133 float32 has fewer bits: up again, so that no quotient is above Most.
    const rounded = <f32>scale
    const next = reinterpret<f32>(reinterpret<u32>(rounded) + 1)
    store<f32>(scales + i, <f64>rounded < scale ? next : rounded)
  }
  const bytes = rec.bytes + at
  const offset = rec.most + 1
  if (width == 32) quantiseRows32(bytes, weight, end, scales, offset)
  else if (width == 16) quantiseRows16(bytes, weight, end, scales, offset)
  else if (width == 8) quantiseRows8(bytes, weight, end, scales, offset)
  else quantiseRows4(bytes, weight, end, scales, offset)
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

/** Two weights, or 4 of them, as integers; 0 where the scale is 0. */
// @ts-ignore: decorator
@inline
function nearest(two: bool, weight: usize, scales: usize): v128 {
  // A quotient that is not a number becomes 0.
  const quotient = two
    ? f32x4.div(v128.load64_zero(weight), v128.load64_zero(scales))
    : f32x4.div(v128.load(weight), v128.load(scales))
  return i32x4.trunc_sat_f32x4_s(f32x4.nearest(quotient))
}

/** bytes [rows][W] = the integers of rows [W] from `weight` to `end`, in words. */
// @ts-ignore: decorator
@variants('quantiseRows', [32, 16, 8, 4])
export function quantiseRows(
  W: i32,
  bytes: usize,
  weight: usize,
  end: usize,
  scales: usize,
  offset: i32,
): void {
  const half: unroll = 2 * W
  const first = i16x8.splat(<i16>offset)
  for (; weight < end; weight += 4 * W) {
    for (let i: unroll = 0; i < (W + 15) / 16; i++) {
      const low = nearest(W == 4, weight + 32 * i, scales + 32 * i)
      const high = nearest(W == 4, weight + half + 32 * i, scales + half + 32 * i)
      const low4 = W > 8 ? nearest(false, weight + 32 * i + 16, scales + 32 * i + 16) : low
      const high4 =
        W > 8 ? nearest(false, weight + half + 32 * i + 16, scales + half + 32 * i + 16) : high
      const words = i16x8.add(
        i16x8.add(i16x8.narrow_i32x4_s(low, low4), first),
        i16x8.shl(i16x8.narrow_i32x4_s(high, high4), 8),
      )
      if (W > 8) v128.store(bytes, words, 16 * i)
      else if (W > 4) v128.store64_lane(bytes, words, 0)
      else v128.store32_lane(bytes, words, 0)
    }
    bytes += W
  }
}

/**
 * Out = Bytes · WeightScale, float32 [outC / blockWidth][kRows][blockWidth]. Unit = one block of
 * output channels. Scratch: none.
 */
export function dequantise(rec: QuantisedRecord, unit: i32, t: i32, scratch: usize): void {
  const width = rec.blockWidth
  const at = <usize>(unit * rec.kRows * width)
  const bytes = rec.bytes + at
  const end = bytes + <usize>(rec.kRows * width)
  const scales = rec.weightScale + ((<usize>(unit * width)) << 2)
  dequantiseBlock(width, rec.out + (at << 2), bytes, end, scales, rec.most + 1)
}

/** The same of some rows of a block. */
export function dequantiseBlock(
  width: i32,
  out: usize,
  bytes: usize,
  end: usize,
  scales: usize,
  offset: i32,
): void {
  if (width == 32) dequantiseRows32(out, bytes, end, scales, offset)
  else if (width == 16) dequantiseRows16(out, bytes, end, scales, offset)
  else if (width == 8) dequantiseRows8(out, bytes, end, scales, offset)
  else dequantiseRows4(out, bytes, end, scales, offset)
}

/** out [rows][W] = the products of rows of words from `bytes` to `end` with the scales. */
// @ts-ignore: decorator
@variants('dequantiseRows', [32, 16, 8, 4])
export function dequantiseRows(
  W: i32,
  out: usize,
  bytes: usize,
  end: usize,
  scales: usize,
  offset: i32,
): void {
  const half: unroll = 2 * W
  const first = i32x4.splat(offset)
  for (; bytes < end; bytes += W) {
    for (let i: unroll = 0; i < (W + 7) / 8; i++) {
      const x = W > 4 ? v128.load_ext<i16>(bytes, 8 * i) : v128.load32_zero(bytes)
      const words = W > 4 ? x : i32x4.extend_low_i16x8_s(x)
      const low = f32x4.convert_i32x4_s(i32x4.sub(v128.and(words, i32x4.splat(255)), first))
      const high = f32x4.convert_i32x4_s(i32x4.shr_s(words, 8))
      if (W > 4) {
        v128.store(out, f32x4.mul(low, v128.load(scales, 16 * i)), 16 * i)
        v128.store(out, f32x4.mul(high, v128.load(scales, 16 * i + half)), 16 * i + half)
      } else {
        v128.store64_lane(out, f32x4.mul(low, v128.load64_zero(scales)), 0)
        v128.store64_lane(out, f32x4.mul(high, v128.load64_zero(scales, 8)), 0, 8)
      }
    }
    out += 4 * W
  }
}
