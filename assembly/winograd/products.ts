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
    const s = locals<v128>(8, f32x4.splat(0))
    const out = locals<usize>(4)
    p -= step
    q -= ldb
    const last = p + <usize>k * step
    while (p != last) {
      p += step
      q += ldb
      const b0 = v128.load(q)
      const b1 = v128.load(q, 16)
      for (let i: unroll = 0; i < 4; i++) {
        const value = v128.load32_splat(p, i * row)
        s[2 * i] = madd(s[2 * i], value, b0)
        s[2 * i + 1] = madd(s[2 * i + 1], value, b1)
      }
    }
    out[0] = c
    for (let i: unroll = 1; i < 4; i++) out[i] = out[i - 1] + ldc
    if (add)
      for (let i: unroll = 0; i < 8; i++)
        s[i] = f32x4.add(s[i], v128.load(out[i / 2], 16 * (i % 2)))
    for (let i: unroll = 0; i < 8; i++) v128.store(out[i / 2], s[i], 16 * (i % 2))
    c = out[3] + ldc
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
