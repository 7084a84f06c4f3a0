/**
 * From the integer sums of a group's lists to the outputs at the steps of the group: patterns add
 * up as integers, which is exact in any order, and one product and one sum in float32 follow.
 */

/** float32 of x, · factor + bias. */
// @ts-ignore: decorator
@inline
function affine(x: v128, factor: v128, bias: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(x), factor), bias)
}

/** a + b + c + d. */
// @ts-ignore: decorator
@inline
function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  return i32x4.add(i32x4.add(a, b), i32x4.add(c, d))
}

/**
 * out[t] = factor · Σ over the patterns p with bit t of sums[p] + bias, for the 4 steps of a whole
 * group.
 *
 * out: 4 rows of `bytes`, outStep apart, written; sums i32 [16][bytes / 4]; bias float32 [bytes /
 * 4], and as many factors behind it. None of them overlap.
 */
export function combineBytes15(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  bias: usize,
): void {
  const end = sums + bytes
  for (; sums < end; sums += 16) {
    let p = sums
    const s1 = v128.load((p += bytes))
    const s2 = v128.load((p += bytes))
    const s3 = v128.load((p += bytes))
    const s4 = v128.load((p += bytes))
    const s5 = v128.load((p += bytes))
    const s6 = v128.load((p += bytes))
    const s7 = v128.load((p += bytes))
    const s8 = v128.load((p += bytes))
    const s9 = v128.load((p += bytes))
    const s10 = v128.load((p += bytes))
    const s11 = v128.load((p += bytes))
    const s12 = v128.load((p += bytes))
    const s13 = v128.load((p += bytes))
    const s14 = v128.load((p += bytes))
    const s15 = v128.load((p += bytes))
    // Sums over the other two steps: of a step alone, and of both steps of a pair.
    const low = sum4(s3, s7, s11, s15)
    const high = sum4(s12, s13, s14, s15)
    const b = v128.load(bias)
    const factor = v128.load(bias + bytes)
    bias += 16
    let o = out
    out += 16
    v128.store(o, affine(i32x4.add(sum4(s1, s5, s9, s13), low), factor, b))
    v128.store((o += outStep), affine(i32x4.add(sum4(s2, s6, s10, s14), low), factor, b))
    v128.store((o += outStep), affine(i32x4.add(sum4(s4, s5, s6, s7), high), factor, b))
    v128.store((o += outStep), affine(i32x4.add(sum4(s8, s9, s10, s11), high), factor, b))
  }
}

/** The same from the 7 sums of pair lists. */
export function combineBytes7(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  bias: usize,
): void {
  const end = sums + bytes
  for (; sums < end; sums += 16) {
    const whole = v128.load(sums + 15 * bytes)
    const low = i32x4.add(v128.load(sums + 3 * bytes), whole)
    const high = i32x4.add(v128.load(sums + 12 * bytes), whole)
    const b = v128.load(bias)
    const factor = v128.load(bias + bytes)
    bias += 16
    let o = out
    out += 16
    v128.store(o, affine(i32x4.add(v128.load(sums + bytes), low), factor, b))
    v128.store((o += outStep), affine(i32x4.add(v128.load(sums + 2 * bytes), low), factor, b))
    v128.store((o += outStep), affine(i32x4.add(v128.load(sums + 4 * bytes), high), factor, b))
    v128.store((o += outStep), affine(i32x4.add(v128.load(sums + 8 * bytes), high), factor, b))
  }
}

/**
 * The same for a group of fewer than 4 steps. `steps` is 1, 3 or 7 (one to three steps), which is
 * also the number of lists of either kind.
 */
export function combineBytesFew(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  bias: usize,
  steps: i32,
): void {
  const end = sums + bytes
  for (; sums < end; sums += 16) {
    const b = v128.load(bias)
    const factor = v128.load(bias + bytes)
    bias += 16
    let o = out
    out += 16
    for (let bit = 1; bit <= steps; bit += bit) {
      let sum = i32x4.splat(0)
      for (let p = bit; p <= steps; p++)
        if (p & bit) sum = i32x4.add(sum, v128.load(sums + <usize>p * bytes))
      v128.store(o, affine(sum, factor, b))
      o += outStep
    }
  }
}
