/**
 * The micro kernels: 5×8 tiles of a product from packed panels. The panels are described in
 * matmul.ts.
 */

import { Dense } from '../opcodes'

/** Rows and columns of the micro kernel's tile. */
export const MR: i32 = Dense.TileRows
export const NR: i32 = Dense.TileColumns

/**
 * Depth of a packed panel: 256 · 8 floats of B are 8 KiB, a quarter of a small first-level cache.
 */
export const KC: i32 = Dense.Depth

/** Scratch of one 5×8 tile, whole cache lines. */
export const EDGE_BYTES: usize = Dense.TileBytes

/**
 * c[4][8] += Σ_k a[k][0..3]ᵀ b[k][0..7]. For panels of a whose rows are whole vectors, as in the
 * gradient of a weight.
 */
export function microAdd(c: usize, ldc: usize, a: usize, b: usize, ldb: usize, k: i32): void {
  const row = locals<usize>(4)
  const s = locals<v128>(8)
  row[0] = c
  for (let i: unroll = 1; i < 4; i++) row[i] = row[i - 1] + ldc
  for (let i: unroll = 0; i < 8; i++) s[i] = v128.load(row[i / 2], 16 * (i % 2))
  let p = a - 16
  b -= ldb
  const last = p + ((<usize>k) << 4)
  while (p != last) {
    p += 16
    b += ldb
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    for (let i: unroll = 0; i < 4; i++) {
      const x = v128.load32_splat(p, 4 * i)
      s[2 * i] = f32x4.add(s[2 * i], f32x4.mul(x, b0))
      s[2 * i + 1] = f32x4.add(s[2 * i + 1], f32x4.mul(x, b1))
    }
  }
  for (let i: unroll = 0; i < 8; i++) v128.store(row[i / 2], s[i], 16 * (i % 2))
}

/**
 * c[5][8] = Σ_k a[k][0..4]ᵀ b[k][0..7]. a is packed to 20 bytes a step; ldb bytes lie between
 * steps of b. Five rows need two loads for ten products, four rows need two for eight: a tenth is
 * gained.
 */
export function micro(c: usize, ldc: usize, a: usize, b: usize, ldb: usize, k: i32): void {
  tile(false, c, ldc, a, 0, b, ldb, 0, k)
}

/** Loads that only use their addresses, ahead of a loop that splats five floats: see `tile`. */
// @ts-ignore: decorator
@inline
export function keepAddresses(p: usize): void {
  v128.load32_splat(p, 4)
  v128.load32_splat(p, 8)
  v128.load32_splat(p, 12)
  v128.load32_splat(p, 16)
}

/**
 * The body of all 5×8 tiles. As in `micro`; with `indirect` (a constant) c[5][8] = start[8] + Σ_k
 * (five floats at the address a[k] + x)ᵀ b[k][0..7].
 *
 * The form of the loop matters, because V8 unrolls other forms and spills the sums. For a load
 * that splats, V8 adds the offset to an address of its own, and does so again in each step unless
 * the address has a use outside the loop. `keepAddresses` is that use. Pointers that move at the
 * top of the loop and end it save instructions too: 1.15 times as fast on a core that starts six
 * in a cycle.
 */
// @ts-ignore: decorator
@inline
export function tile(
  indirect: bool,
  c: usize,
  ldc: usize,
  a: usize,
  x: usize,
  b: usize,
  ldb: usize,
  start: usize,
  k: i32,
): void {
  const s = locals<v128>(10)
  s[0] = indirect ? v128.load(start) : f32x4.splat(0)
  s[1] = indirect ? v128.load(start, 16) : s[0]
  for (let i: unroll = 2; i < 10; i++) s[i] = s[i - 2]
  const step: usize = indirect ? 4 : 20
  let p = indirect ? <usize>load<u32>(a) + x : a
  keepAddresses(p)
  a -= step
  b -= ldb
  const last = a + <usize>k * step
  while (a != last) {
    a += step
    b += ldb
    p = indirect ? <usize>load<u32>(a) + x : a
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    for (let i: unroll = 0; i < 5; i++) {
      const value = v128.load32_splat(p, 4 * i)
      s[2 * i] = f32x4.add(s[2 * i], f32x4.mul(value, b0))
      s[2 * i + 1] = f32x4.add(s[2 * i + 1], f32x4.mul(value, b1))
    }
  }
  for (let i: unroll = 0; i < 5; i++) {
    if (i > 0) c += ldc
    v128.store(c, s[2 * i])
    v128.store(c, s[2 * i + 1], 16)
  }
}

/**
 * c[5][4] = Σ_k a[k][0..4]ᵀ b[k][0..3], for tensors of 4 channels. Rows of c are 32 bytes apart.
 */
export function microNarrow(c: usize, a: usize, b: usize, ldb: usize, k: i32): void {
  const s = locals<v128>(5, f32x4.splat(0))
  keepAddresses(a)
  a -= 20
  b -= ldb
  const last = a + <usize>k * 20
  while (a != last) {
    a += 20
    b += ldb
    const b0 = v128.load(b)
    for (let i: unroll = 0; i < 5; i++)
      s[i] = f32x4.add(s[i], f32x4.mul(v128.load32_splat(a, 4 * i), b0))
  }
  for (let i: unroll = 0; i < 5; i++) v128.store(c, s[i], 32 * i)
}

/**
 * c[N] = or += Σ_k a[k] b[k][0 … N − 1], for a single row. a: every fifth float, as panels hold
 * a row. Rows of b are N floats or, of 8 columns of a block, ldb bytes apart. The sum is that of a
 * row of `micro`, bit for bit.
 */
// @ts-ignore: decorator
@variants('microRow', [32, 8])
export function microRow(
  N: i32,
  c: usize,
  a: usize,
  b: usize,
  ldb: usize,
  k: i32,
  add: bool,
): void {
  const s = locals<v128>(N / 4, f32x4.splat(0))
  for (const last = a + <usize>k * 20; a != last; a += 20) {
    const x = v128.load32_splat(a)
    for (let i: unroll = 0; i < N / 4; i++)
      s[i] = f32x4.add(s[i], f32x4.mul(x, v128.load(b, 16 * i)))
    b += N == 32 ? 128 : ldb
  }
  if (add) for (let i: unroll = 0; i < N / 4; i++) s[i] = f32x4.add(s[i], v128.load(c, 16 * i))
  for (let i: unroll = 0; i < N / 4; i++) v128.store(c, s[i], 16 * i)
}

/** c[5][8] += tile[5][8]. It is apart from the products because it would take their registers. */
export function addTile(c: usize, ldc: usize, tile: usize): void {
  for (let i = 0; i < 5; i++) {
    v128.store(c, f32x4.add(v128.load(c), v128.load(tile)))
    v128.store(c, f32x4.add(v128.load(c, 16), v128.load(tile, 16)), 16)
    c += ldc
    tile += 32
  }
}
