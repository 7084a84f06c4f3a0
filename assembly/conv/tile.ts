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
  const d1 = c + ldc
  const d2 = d1 + ldc
  const d3 = d2 + ldc
  let c00 = v128.load(c),
    c01 = v128.load(c, 16),
    c10 = v128.load(d1),
    c11 = v128.load(d1, 16)
  let c20 = v128.load(d2),
    c21 = v128.load(d2, 16),
    c30 = v128.load(d3),
    c31 = v128.load(d3, 16)
  let p = a - 16
  b -= ldb
  const last = p + ((<usize>k) << 4)
  while (p != last) {
    p += 16
    b += ldb
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let s = v128.load32_splat(p)
    c00 = f32x4.add(c00, f32x4.mul(s, b0))
    c01 = f32x4.add(c01, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 4)
    c10 = f32x4.add(c10, f32x4.mul(s, b0))
    c11 = f32x4.add(c11, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 8)
    c20 = f32x4.add(c20, f32x4.mul(s, b0))
    c21 = f32x4.add(c21, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 12)
    c30 = f32x4.add(c30, f32x4.mul(s, b0))
    c31 = f32x4.add(c31, f32x4.mul(s, b1))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(d1, c10)
  v128.store(d1, c11, 16)
  v128.store(d2, c20)
  v128.store(d2, c21, 16)
  v128.store(d3, c30)
  v128.store(d3, c31, 16)
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
function keepAddresses(p: usize): void {
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
  let c00 = indirect ? v128.load(start) : f32x4.splat(0),
    c01 = indirect ? v128.load(start, 16) : c00
  let c10 = c00,
    c11 = c01,
    c20 = c00,
    c21 = c01,
    c30 = c00,
    c31 = c01,
    c40 = c00,
    c41 = c01
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
    let s = v128.load32_splat(p)
    c00 = f32x4.add(c00, f32x4.mul(s, b0))
    c01 = f32x4.add(c01, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 4)
    c10 = f32x4.add(c10, f32x4.mul(s, b0))
    c11 = f32x4.add(c11, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 8)
    c20 = f32x4.add(c20, f32x4.mul(s, b0))
    c21 = f32x4.add(c21, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 12)
    c30 = f32x4.add(c30, f32x4.mul(s, b0))
    c31 = f32x4.add(c31, f32x4.mul(s, b1))
    s = v128.load32_splat(p, 16)
    c40 = f32x4.add(c40, f32x4.mul(s, b0))
    c41 = f32x4.add(c41, f32x4.mul(s, b1))
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  c += ldc
  v128.store(c, c10)
  v128.store(c, c11, 16)
  c += ldc
  v128.store(c, c20)
  v128.store(c, c21, 16)
  c += ldc
  v128.store(c, c30)
  v128.store(c, c31, 16)
  c += ldc
  v128.store(c, c40)
  v128.store(c, c41, 16)
}

/**
 * c[5][4] = Σ_k a[k][0..4]ᵀ b[k][0..3], for tensors of 4 channels. Rows of c are 32 bytes apart.
 */
export function microNarrow(c: usize, a: usize, b: usize, ldb: usize, k: i32): void {
  let c0 = f32x4.splat(0),
    c1 = c0,
    c2 = c0,
    c3 = c0,
    c4 = c0
  keepAddresses(a)
  a -= 20
  b -= ldb
  const last = a + <usize>k * 20
  while (a != last) {
    a += 20
    b += ldb
    const b0 = v128.load(b)
    c0 = f32x4.add(c0, f32x4.mul(v128.load32_splat(a), b0))
    c1 = f32x4.add(c1, f32x4.mul(v128.load32_splat(a, 4), b0))
    c2 = f32x4.add(c2, f32x4.mul(v128.load32_splat(a, 8), b0))
    c3 = f32x4.add(c3, f32x4.mul(v128.load32_splat(a, 12), b0))
    c4 = f32x4.add(c4, f32x4.mul(v128.load32_splat(a, 16), b0))
  }
  v128.store(c, c0)
  v128.store(c, c1, 32)
  v128.store(c, c2, 64)
  v128.store(c, c3, 96)
  v128.store(c, c4, 128)
}

/**
 * c[32] = or += Σ_k a[k] b[k][0…31], for a single row. a: every fifth float, as panels hold a row.
 * The sum is that of a row of `micro`, bit for bit.
 */
export function microRow32(c: usize, a: usize, b: usize, k: i32, add: bool): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  for (const last = a + <usize>k * 20; a != last; a += 20) {
    const x = v128.load32_splat(a)
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(b)))
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(b, 16)))
    s2 = f32x4.add(s2, f32x4.mul(x, v128.load(b, 32)))
    s3 = f32x4.add(s3, f32x4.mul(x, v128.load(b, 48)))
    s4 = f32x4.add(s4, f32x4.mul(x, v128.load(b, 64)))
    s5 = f32x4.add(s5, f32x4.mul(x, v128.load(b, 80)))
    s6 = f32x4.add(s6, f32x4.mul(x, v128.load(b, 96)))
    s7 = f32x4.add(s7, f32x4.mul(x, v128.load(b, 112)))
    b += 128
  }
  if (add) {
    s0 = f32x4.add(s0, v128.load(c))
    s1 = f32x4.add(s1, v128.load(c, 16))
    s2 = f32x4.add(s2, v128.load(c, 32))
    s3 = f32x4.add(s3, v128.load(c, 48))
    s4 = f32x4.add(s4, v128.load(c, 64))
    s5 = f32x4.add(s5, v128.load(c, 80))
    s6 = f32x4.add(s6, v128.load(c, 96))
    s7 = f32x4.add(s7, v128.load(c, 112))
  }
  v128.store(c, s0)
  v128.store(c, s1, 16)
  v128.store(c, s2, 32)
  v128.store(c, s3, 48)
  v128.store(c, s4, 64)
  v128.store(c, s5, 80)
  v128.store(c, s6, 96)
  v128.store(c, s7, 112)
}

/** The same for 8 columns of a block; rows of b are ldb bytes apart. */
export function microRow8(c: usize, a: usize, b: usize, ldb: usize, k: i32, add: bool): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  for (const last = a + <usize>k * 20; a != last; a += 20) {
    const x = v128.load32_splat(a)
    s0 = f32x4.add(s0, f32x4.mul(x, v128.load(b)))
    s1 = f32x4.add(s1, f32x4.mul(x, v128.load(b, 16)))
    b += ldb
  }
  if (add) {
    s0 = f32x4.add(s0, v128.load(c))
    s1 = f32x4.add(s1, v128.load(c, 16))
  }
  v128.store(c, s0)
  v128.store(c, s1, 16)
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
