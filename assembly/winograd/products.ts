/** The matrix products between Winograd's transforms: one loop each, all sums in registers. */

import { BLOCK_BYTES, CHUNK_BYTES, GROUP_BYTES } from './sizes'

// @ts-ignore: decorator
@inline
function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/**
 * c[i][8] = Σ_k a(i, k) b[k][8], with `add` +=, for i = 0 … `count` rounded up to a multiple of 4.
 *
 * a(i, k) is `step` bytes behind a(i, k − 1). Behind a(i − 1, k) it is 4 bytes (Layout: u32) or
 * CHUNK_BYTES (u64), which the compiler must know. Rows of b are `ldb` bytes apart, those of c
 * `ldc`. Four rows are taken at a time, whose eight sums V8 keeps in registers. Pointers move at
 * the top of the loop, as in conv/tile.ts. The loop over rows is in here because calls would cost
 * a twentieth.
 */
// @ts-ignore: decorator
@inline
function product<Layout>(
  c: usize,
  ldc: usize,
  a: usize,
  step: usize,
  b: usize,
  ldb: usize,
  k: i32,
  count: i32,
  add: bool,
): void {
  const row: usize = sizeof<Layout>() == 4 ? 4 : CHUNK_BYTES
  for (; count > 0; count -= 4) {
    let p = a
    let q = b
    let c00 = f32x4.splat(0),
      c01 = c00,
      c10 = c00,
      c11 = c00,
      c20 = c00,
      c21 = c00,
      c30 = c00,
      c31 = c00
    p -= step
    q -= ldb
    const last = p + <usize>k * step
    while (p != last) {
      p += step
      q += ldb
      const b0 = v128.load(q)
      const b1 = v128.load(q, 16)
      let s = v128.load32_splat(p)
      c00 = madd(c00, s, b0)
      c01 = madd(c01, s, b1)
      s = v128.load32_splat(p, row)
      c10 = madd(c10, s, b0)
      c11 = madd(c11, s, b1)
      s = v128.load32_splat(p, 2 * row)
      c20 = madd(c20, s, b0)
      c21 = madd(c21, s, b1)
      s = v128.load32_splat(p, 3 * row)
      c30 = madd(c30, s, b0)
      c31 = madd(c31, s, b1)
    }
    const d1 = c + ldc
    const d2 = d1 + ldc
    const d3 = d2 + ldc
    if (add) {
      c00 = f32x4.add(c00, v128.load(c))
      c01 = f32x4.add(c01, v128.load(c, 16))
      c10 = f32x4.add(c10, v128.load(d1))
      c11 = f32x4.add(c11, v128.load(d1, 16))
      c20 = f32x4.add(c20, v128.load(d2))
      c21 = f32x4.add(c21, v128.load(d2, 16))
      c30 = f32x4.add(c30, v128.load(d3))
      c31 = f32x4.add(c31, v128.load(d3, 16))
    }
    v128.store(c, c00)
    v128.store(c, c01, 16)
    v128.store(d1, c10)
    v128.store(d1, c11, 16)
    v128.store(d2, c20)
    v128.store(d2, c21, 16)
    v128.store(d3, c30)
    v128.store(d3, c31, 16)
    c = d3 + ldc
    a += 4 * row
  }
}

/** c[count][8] = or += a[count][k] b[k][8]; rows of a are CHUNK_BYTES apart. */
export function winogradProduct(c: usize, a: usize, b: usize, k: i32, count: i32, add: bool): void {
  product<u64>(c, BLOCK_BYTES, a, 4, b, BLOCK_BYTES, k, count, add)
}

/**
 * c[count][8] = or += a[k][count]ᵀ b[k][8]; rows of a and b are GROUP_BYTES apart, those of c
 * `ldc`.
 */
export function winogradOuter(
  c: usize,
  ldc: usize,
  a: usize,
  b: usize,
  k: i32,
  count: i32,
  add: bool,
): void {
  product<u32>(c, ldc, a, GROUP_BYTES, b, GROUP_BYTES, k, count, add)
}
