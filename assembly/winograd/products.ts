/** The matrix products between Winograd's transforms: one loop each, all sums in registers. */

import { BLOCK_BYTES, CHUNK_BYTES, GROUP_BYTES } from './sizes'

// @ts-ignore: decorator
@inline
function madd(sum: v128, a: v128, b: v128): v128 {
  return f32x4.add(sum, f32x4.mul(a, b))
}

/**
 * c[i][8] = Σ_k a(i, k) b[k][8], with `add` +=, for i = 0 … `count` rounded up to a multiple of 4;
 * of two BLOCKS of columns both, where the second of c is `cFar` bytes behind the first and that of
 * b `bFar`.
 *
 * a(i, k) is `step` bytes behind a(i, k − 1). Behind a(i − 1, k) it is 4 bytes (Layout: u32) or
 * CHUNK_BYTES (u64), which the compiler must know. Rows of b are `ldb` bytes apart, those of c
 * `ldc`. Four rows are taken at a time, whose eight sums V8 keeps in registers; sixteen, where it
 * joins neighbours. Pointers move at the top of the loop, and addresses are used ahead of it, as in
 * conv/tile.ts. The loop over rows is in here because calls would cost a twentieth.
 *
 * The last sum comes first: V8 12 and older then loads a factor where it is used. The other way
 * round all are loaded ahead of the sums, which takes a twelfth longer.
 */
// @ts-ignore: decorator
@inline
@variants('product', [1, 2])
export function product<Layout>(
  BLOCKS: i32,
  c: usize,
  cFar: usize,
  ldc: usize,
  a: usize,
  step: usize,
  b: usize,
  bFar: usize,
  ldb: usize,
  k: i32,
  count: i32,
  add: bool,
): void {
  const row: usize = sizeof<Layout>() == 4 ? 4 : CHUNK_BYTES
  const n: unroll = 2 * BLOCKS
  for (; count > 0; count -= 4) {
    let p = a
    const q = locals<usize>(BLOCKS, b)
    const s = locals<v128>(4 * n, f32x4.splat(0))
    const out = locals<usize>(4)
    for (let i: unroll = 1; i < 4; i++) v128.load32_splat(p, i * row)
    p -= step
    if (BLOCKS == 2) q[1] += bFar
    for (let j: unroll = 0; j < BLOCKS; j++) q[j] -= ldb
    const last = p + <usize>k * step
    while (p != last) {
      p += step
      for (let j: unroll = 0; j < BLOCKS; j++) q[j] += ldb
      const columns = locals<v128>(n)
      for (let j: unroll = n - 1; j >= 0; j--) columns[j] = v128.load(q[j / 2], 16 * (j % 2))
      for (let i: unroll = 3; i >= 0; i--) {
        const value = v128.load32_splat(p, i * row)
        for (let j: unroll = n - 1; j >= 0; j--)
          s[n * i + j] = madd(s[n * i + j], value, columns[j])
      }
    }
    for (let block: unroll = BLOCKS - 1; block >= 0; block--) {
      out[0] = block ? c + cFar : c
      for (let i: unroll = 1; i < 4; i++) out[i] = out[i - 1] + ldc
      if (add)
        for (let i: unroll = 0; i < 8; i++)
          s[n * (i / 2) + 2 * block + (i % 2)] = f32x4.add(
            s[n * (i / 2) + 2 * block + (i % 2)],
            v128.load(out[i / 2], 16 * (i % 2)),
          )
      for (let i: unroll = 0; i < 8; i++)
        v128.store(out[i / 2], s[n * (i / 2) + 2 * block + (i % 2)], 16 * (i % 2))
    }
    c = out[3] + ldc
    a += 4 * row
  }
}

/** c[count][8] = or += a[count][k] b[k][8]; rows of a are CHUNK_BYTES apart. */
export function winogradProduct(c: usize, a: usize, b: usize, k: i32, count: i32, add: bool): void {
  product1<u64>(c, 0, BLOCK_BYTES, a, 4, b, 0, BLOCK_BYTES, k, count, add)
}

/** The same of two blocks side by side, for V8 that joins neighbours. */
export function winogradProducts(
  c: usize,
  cFar: usize,
  a: usize,
  b: usize,
  bFar: usize,
  k: i32,
  count: i32,
  add: bool,
): void {
  product2<u64>(c, cFar, BLOCK_BYTES, a, 4, b, bFar, BLOCK_BYTES, k, count, add)
}

/**
 * c[count][8] = or += a[k][count]ᵀ b[k][8]; rows of a and b are GROUP_BYTES apart, those of c
 * `ldc`. `winogradOuters`: c[count][16], from 16 columns of b.
 */
// @ts-ignore: decorator
@variants('winogradOuter', 1)
@variants('winogradOuters', 2)
export function outer(
  BLOCKS: i32,
  c: usize,
  ldc: usize,
  a: usize,
  b: usize,
  k: i32,
  count: i32,
  add: bool,
): void {
  const far = BLOCK_BYTES
  if (BLOCKS == 1) product1<u32>(c, 0, ldc, a, GROUP_BYTES, b, 0, GROUP_BYTES, k, count, add)
  else product2<u32>(c, far, ldc, a, GROUP_BYTES, b, far, GROUP_BYTES, k, count, add)
}
