/**
 * What this machine gives a WebAssembly program at best: multiplications and additions without
 * memory, and copies without arithmetic.
 */

/**
 * Twelve independent chains x ← x·s + t in registers, 96 operations of float32 a round. A
 * multiplication and the addition behind it take about six cycles and a core starts two of each in
 * a cycle, so that twelve chains keep it busy; with the constants they fill the 14 vector registers
 * that V8 hands out. s just below 1 and a small t keep the values normal.
 */
export function multiplyAdd(rounds: i32, s: f32, t: f32): f32 {
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  let x0 = f32x4.splat(1),
    x1 = x0,
    x2 = x0,
    x3 = x0,
    x4 = x0,
    x5 = x0
  let y0 = f32x4.splat(1),
    y1 = y0,
    y2 = y0,
    y3 = y0,
    y4 = y0,
    y5 = y0
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
  return (
    f32x4.extract_lane(v, 0) +
    f32x4.extract_lane(v, 1) +
    f32x4.extract_lane(v, 2) +
    f32x4.extract_lane(v, 3)
  )
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
