/**
 * From the sums of a group's lists to the outputs at the steps of the group. Sums of bytes are
 * integers: patterns add up exactly in any order, and one product and one sum in float32 follow.
 */

/** a + b, as integers or as floats. */
// @ts-ignore: decorator
@inline
function add(ints: bool, a: v128, b: v128): v128 {
  return ints ? i32x4.add(a, b) : f32x4.add(a, b)
}

/** a + b + c + d. */
// @ts-ignore: decorator
@inline
function sum4(ints: bool, a: v128, b: v128, c: v128, d: v128): v128 {
  return add(ints, add(ints, a, b), add(ints, c, d))
}

/** float32 of x, · factor + bias. */
// @ts-ignore: decorator
@inline
function affine(ints: bool, x: v128, factor: v128, bias: v128): v128 {
  return f32x4.add(f32x4.mul(ints ? f32x4.convert_i32x4_s(x) : x, factor), bias)
}

/**
 * out[t] = factor · Σ over the patterns p with bit t of sums[p] + bias, for the 4 steps of a whole
 * group. The factor is `scale`, with `ints` that of each channel.
 *
 * out: 4 rows of `bytes`, outStep apart, written; sums float32, or i32, [16][bytes / 4]; bias
 * float32 [bytes / 4], with `ints` as many factors behind it. None of them overlap.
 */
// @ts-ignore: decorator
@variants('combine15', false)
@variants('combineBytes15', true)
export function combine15(
  ints: bool,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const end = sums + bytes
  const s = locals<v128>(16)
  for (; sums < end; sums += 16) {
    let p = sums
    for (let i: unroll = 1; i < 16; i++) s[i] = v128.load((p += bytes))
    // Sums over the other two steps: of a step alone, and of both steps of a pair.
    const low = sum4(ints, s[3], s[7], s[11], s[15])
    const high = sum4(ints, s[12], s[13], s[14], s[15])
    const b = v128.load(bias)
    const factor = ints ? v128.load(bias + bytes) : f32x4.splat(scale)
    bias += 16
    let o = out
    out += 16
    for (let t: unroll = 0; t < 4; t++) {
      const i: unroll = 1 << t
      const own =
        t < 2
          ? sum4(ints, s[i], s[4 + i], s[8 + i], s[12 + i])
          : sum4(ints, s[i], s[i + 1], s[i + 2], s[i + 3])
      v128.store(o, affine(ints, add(ints, own, t < 2 ? low : high), factor, b))
      o += outStep
    }
  }
}

/** The same from the 7 sums of pair lists. */
// @ts-ignore: decorator
@variants('combine7', false)
@variants('combineBytes7', true)
export function combine7(
  ints: bool,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const end = sums + bytes
  for (; sums < end; sums += 16) {
    const whole = v128.load(sums + 15 * bytes)
    const low = add(ints, v128.load(sums + 3 * bytes), whole)
    const high = add(ints, v128.load(sums + 12 * bytes), whole)
    const b = v128.load(bias)
    const factor = ints ? v128.load(bias + bytes) : f32x4.splat(scale)
    bias += 16
    let o = out
    out += 16
    for (let t: unroll = 0; t < 4; t++) {
      const own = v128.load(sums + (1 << t) * bytes)
      v128.store(o, affine(ints, add(ints, own, t < 2 ? low : high), factor, b))
      o += outStep
    }
  }
}

/**
 * The same for a group of fewer than 4 steps. `steps` is 1, 3 or 7 (one to three steps), which is
 * also the number of lists of either kind.
 */
// @ts-ignore: decorator
@variants('combineFew', false)
@variants('combineBytesFew', true)
export function combineFew(
  ints: bool,
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
  steps: i32,
): void {
  const end = sums + bytes
  for (; sums < end; sums += 16) {
    const b = v128.load(bias)
    const factor = ints ? v128.load(bias + bytes) : f32x4.splat(scale)
    bias += 16
    let o = out
    out += 16
    for (let bit = 1; bit <= steps; bit += bit) {
      let sum = i32x4.splat(0)
      for (let p = bit; p <= steps; p++)
        if (p & bit) sum = add(ints, sum, v128.load(sums + <usize>p * bytes))
      v128.store(o, affine(ints, sum, factor, b))
      o += outStep
    }
  }
}
