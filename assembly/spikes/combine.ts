/**
 * From the sums of a group's lists to the outputs at the steps of the group. Sums of bytes are
 * integers: patterns add up exactly in any order, and one product and one sum in float32 follow.
 *
 * `bits` says what the sums are: integers of 16 or 32 bits, or float32, for which it is 0.
 */

/** a + b. */
// @ts-ignore: decorator
@inline
function add(bits: i32, a: v128, b: v128): v128 {
  return bits == 0 ? f32x4.add(a, b) : bits == 16 ? i16x8.add(a, b) : i32x4.add(a, b)
}

/** a + b + c + d. */
// @ts-ignore: decorator
@inline
function sum4(bits: i32, a: v128, b: v128, c: v128, d: v128): v128 {
  return add(bits, add(bits, a, b), add(bits, c, d))
}

/** float32 of x, of its second half where `isSecond`, · factor + bias. */
// @ts-ignore: decorator
@inline
function affine(bits: i32, isSecond: bool, x: v128, factor: v128, bias: v128): v128 {
  if (bits == 16) x = isSecond ? i32x4.extend_high_i16x8_s(x) : i32x4.extend_low_i16x8_s(x)
  return f32x4.add(f32x4.mul(bits == 0 ? x : f32x4.convert_i32x4_s(x), factor), bias)
}

/**
 * out[t] = factor · Σ over the patterns p with bit t of sums[p] + bias, for the 4 steps of a whole
 * group. The factor is `scale`, that of integers each channel's own.
 *
 * out: 4 rows of `bytes`, outStep apart, written; sums [16][bytes / 4]; bias float32 [bytes / 4],
 * and for integers as many factors behind it. None of them overlap. Sums of 16 bits are of 8
 * channels at least.
 */
// @ts-ignore: decorator
@variants('combine15', 0)
@variants('combineInts15', 32)
@variants('combineShorts15', 16)
export function combine15(
  bits: i32,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const n: unroll = bits == 16 ? 2 : 1
  const row = bytes >> (bits == 16 ? 1 : 0)
  const end = sums + row
  const b = locals<v128>(n)
  const factor = locals<v128>(n)
  const s = locals<v128>(16)
  for (; sums < end; sums += 16) {
    let p = sums
    for (let i: unroll = 1; i < 16; i++) s[i] = v128.load((p += row))
    // Sums over the other two steps: of a step alone, and of both steps of a pair.
    const low = sum4(bits, s[3], s[7], s[11], s[15])
    const high = sum4(bits, s[12], s[13], s[14], s[15])
    for (let i: unroll = 0; i < n; i++) {
      b[i] = v128.load(bias, 16 * i)
      factor[i] = bits == 0 ? f32x4.splat(scale) : v128.load(bias + bytes, 16 * i)
    }
    bias += 16 * n
    let o = out
    out += 16 * n
    for (let t: unroll = 0; t < 4; t++) {
      const i: unroll = 1 << t
      const own =
        t < 2
          ? sum4(bits, s[i], s[4 + i], s[8 + i], s[12 + i])
          : sum4(bits, s[i], s[i + 1], s[i + 2], s[i + 3])
      const sum = add(bits, own, t < 2 ? low : high)
      for (let j: unroll = 0; j < n; j++)
        v128.store(o, affine(bits, j == 1, sum, factor[j], b[j]), 16 * j)
      o += outStep
    }
  }
}

/** The same from the 7 sums of pair lists. */
// @ts-ignore: decorator
@variants('combine7', 0)
@variants('combineInts7', 32)
@variants('combineShorts7', 16)
export function combine7(
  bits: i32,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const n: unroll = bits == 16 ? 2 : 1
  const row = bytes >> (bits == 16 ? 1 : 0)
  const end = sums + row
  const b = locals<v128>(n)
  const factor = locals<v128>(n)
  for (; sums < end; sums += 16) {
    const whole = v128.load(sums + 15 * row)
    const low = add(bits, v128.load(sums + 3 * row), whole)
    const high = add(bits, v128.load(sums + 12 * row), whole)
    for (let i: unroll = 0; i < n; i++) {
      b[i] = v128.load(bias, 16 * i)
      factor[i] = bits == 0 ? f32x4.splat(scale) : v128.load(bias + bytes, 16 * i)
    }
    bias += 16 * n
    let o = out
    out += 16 * n
    for (let t: unroll = 0; t < 4; t++) {
      const own = v128.load(sums + (1 << t) * row)
      const sum = add(bits, own, t < 2 ? low : high)
      for (let j: unroll = 0; j < n; j++)
        v128.store(o, affine(bits, j == 1, sum, factor[j], b[j]), 16 * j)
      o += outStep
    }
  }
}

/**
 * The same for a group of fewer than 4 steps. `steps` is 1, 3 or 7 (one to three steps), which is
 * also the number of lists of either kind.
 */
// @ts-ignore: decorator
@variants('combineFew', 0)
@variants('combineIntsFew', 32)
@variants('combineShortsFew', 16)
export function combineFew(
  bits: i32,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
  steps: i32,
): void {
  const n: unroll = bits == 16 ? 2 : 1
  const row = bytes >> (bits == 16 ? 1 : 0)
  const end = sums + row
  const b = locals<v128>(n)
  const factor = locals<v128>(n)
  for (; sums < end; sums += 16) {
    for (let i: unroll = 0; i < n; i++) {
      b[i] = v128.load(bias, 16 * i)
      factor[i] = bits == 0 ? f32x4.splat(scale) : v128.load(bias + bytes, 16 * i)
    }
    bias += 16 * n
    let o = out
    out += 16 * n
    for (let bit = 1; bit <= steps; bit += bit) {
      let sum = i32x4.splat(0)
      for (let p = bit; p <= steps; p++)
        if (p & bit) sum = add(bits, sum, v128.load(sums + <usize>p * row))
      for (let j: unroll = 0; j < n; j++)
        v128.store(o, affine(bits, j == 1, sum, factor[j], b[j]), 16 * j)
      o += outStep
    }
  }
}
