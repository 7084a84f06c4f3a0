/**
 * What this machine gives a WebAssembly program at best: multiplications and additions without memory, and copies without arithmetic.
 *
 * Chains in registers: a multiplication or an addition takes about three cycles and a core starts two of each in a cycle, so six independent chains
 * of each keep all of them busy. With the two constants that makes 14 vector registers, as many as V8 hands out.
 */

/** Operations of float32 in one round of `chains` and `dependent`. */
export const FLOPS_PER_ROUND: i32 = 96

/** Independent chains m ← m·s and a ← a + t. s near 1 and a small t keep all values normal. */
export function chains(rounds: i32, s: f32, t: f32): f32 {
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  let m0 = f32x4.splat(1), m1 = m0, m2 = m0, m3 = m0, m4 = m0, m5 = m0
  let a0 = f32x4.splat(1), a1 = a0, a2 = a0, a3 = a0, a4 = a0, a5 = a0
  do {
    m0 = f32x4.mul(m0, vs)
    a0 = f32x4.add(a0, vt)
    m1 = f32x4.mul(m1, vs)
    a1 = f32x4.add(a1, vt)
    m2 = f32x4.mul(m2, vs)
    a2 = f32x4.add(a2, vt)
    m3 = f32x4.mul(m3, vs)
    a3 = f32x4.add(a3, vt)
    m4 = f32x4.mul(m4, vs)
    a4 = f32x4.add(a4, vt)
    m5 = f32x4.mul(m5, vs)
    a5 = f32x4.add(a5, vt)
    m0 = f32x4.mul(m0, vs)
    a0 = f32x4.add(a0, vt)
    m1 = f32x4.mul(m1, vs)
    a1 = f32x4.add(a1, vt)
    m2 = f32x4.mul(m2, vs)
    a2 = f32x4.add(a2, vt)
    m3 = f32x4.mul(m3, vs)
    a3 = f32x4.add(a3, vt)
    m4 = f32x4.mul(m4, vs)
    a4 = f32x4.add(a4, vt)
    m5 = f32x4.mul(m5, vs)
    a5 = f32x4.add(a5, vt)
  } while (--rounds)
  return sum(m0, m1, m2, m3, m4, m5) + sum(a0, a1, a2, a3, a4, a5)
}

/** Twelve chains x ← x·s + t, in which each addition waits for its multiplication: better where both share their units. */
export function dependent(rounds: i32, s: f32, t: f32): f32 {
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  let x0 = f32x4.splat(1), x1 = x0, x2 = x0, x3 = x0, x4 = x0, x5 = x0
  let y0 = f32x4.splat(1), y1 = y0, y2 = y0, y3 = y0, y4 = y0, y5 = y0
  do {
    x0 = f32x4.add(f32x4.mul(x0, vs), vt)
    x1 = f32x4.add(f32x4.mul(x1, vs), vt)
    x2 = f32x4.add(f32x4.mul(x2, vs), vt)
    x3 = f32x4.add(f32x4.mul(x3, vs), vt)
    x4 = f32x4.add(f32x4.mul(x4, vs), vt)
    x5 = f32x4.add(f32x4.mul(x5, vs), vt)
    y0 = f32x4.add(f32x4.mul(y0, vs), vt)
    y1 = f32x4.add(f32x4.mul(y1, vs), vt)
    y2 = f32x4.add(f32x4.mul(y2, vs), vt)
    y3 = f32x4.add(f32x4.mul(y3, vs), vt)
    y4 = f32x4.add(f32x4.mul(y4, vs), vt)
    y5 = f32x4.add(f32x4.mul(y5, vs), vt)
  } while (--rounds)
  return sum(x0, x1, x2, x3, x4, x5) + sum(y0, y1, y2, y3, y4, y5)
}

/** Keeps the chains alive: without a use of their ends they would be removed. */
function sum(a: v128, b: v128, c: v128, d: v128, e: v128, f: v128): f32 {
  const v = f32x4.add(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)), f32x4.add(e, f))
  return f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1) + f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3)
}

/** dst[0 … bytes − 1] = src[…] in vectors; bytes a multiple of 64, the ranges apart. Writes. */
export function copy(dst: usize, src: usize, bytes: usize): void {
  const end = src + bytes
  do {
    v128.store(dst, v128.load(src))
    v128.store(dst, v128.load(src, 16), 16)
    v128.store(dst, v128.load(src, 32), 32)
    v128.store(dst, v128.load(src, 48), 48)
    src += 64
    dst += 64
  } while (src < end)
}
