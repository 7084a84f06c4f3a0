/**
 * Matrix products on packed panels (after Goto and van de Geijn, ACM TOMS 2008): the micro kernel
 * computes a 5×8 tile from
 *
 *   a: panel [k][5]     five rows of A, one k behind the other
 *   b: panel [k][8]     eight columns of B, `ldb` bytes from one k to the next
 *
 * NN, NT and TN differ in how panels are packed alone. Convolutions (conv.ts) pack their own panels
 * and share the micro kernels.
 */

import { check } from '../base/check'

/** Rows and columns of the micro kernel's tile. */
export const MR: i32 = 5
export const NR: i32 = 8
/**
 * Depth of a packed panel: 256 · 8 floats of B are 8 KiB, a quarter of a small first-level cache.
 */
export const KC: i32 = 256
/** Rows of A packed at a time. */
const MC: i32 = 130
/** Scratch of one 5×8 tile, whole cache lines. */
export const EDGE_BYTES: usize = 192

/**
 * c[4][8] += Σ_k a[k][0..3]ᵀ b[k][0..7]: for panels whose rows come in whole vectors, as those of a
 * weight's gradient.
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
 * c[5][8] = Σ_k a[k][0..4]ᵀ b[k][0..7], a packed to 20 bytes a step, ldb bytes between steps of b.
 * Five rows use two loads for ten products where four rows need them for eight, which gains a
 * tenth.
 */
export function micro(c: usize, ldc: usize, a: usize, b: usize, ldb: usize, k: i32): void {
  tile(false, c, ldc, a, 0, b, ldb, 0, k)
}

/** Loads for their addresses alone, ahead of a loop that splats five floats: see `tile`. */
// @ts-ignore: decorator
@inline
function keepAddresses(p: usize): void {
  v128.load32_splat(p, 4)
  v128.load32_splat(p, 8)
  v128.load32_splat(p, 12)
  v128.load32_splat(p, 16)
}

/**
 * The one body of 5×8 tiles: `micro`, and with `indirect` (a constant) start[8] + Σ_k (five floats
 * at the address a[k], plus x)ᵀ b[k][0..7].
 *
 * The form of the loop matters: V8 unrolls others and spills the sums. It adds the offset of a
 * splatting load, unlike that of others, to an address of its own, and does so anew in each step
 * unless the address has a use outside the loop: `keepAddresses`. Pointers that move at the top of
 * the loop and end it save instructions as well: 1.15 times as fast on a core that starts six in a
 * cycle.
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

/** c[5][4] = Σ_k a[k][0..4]ᵀ b[k][0..3], rows of c 32 bytes apart: for tensors of 4 channels. */
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

/** c[5][8] += tile[5][8]. Apart from the products, whose registers it would take. */
export function addTile(c: usize, ldc: usize, tile: usize): void {
  for (let i = 0; i < 5; i++) {
    v128.store(c, f32x4.add(v128.load(c), v128.load(tile)))
    v128.store(c, f32x4.add(v128.load(c, 16), v128.load(tile, 16)), 16)
    c += ldc
    tile += 32
  }
}

/** dst[k][5] = five rows of `count` floats, interleaved. Rows may be the same. */
export function packRows(
  dst: usize,
  p0: usize,
  p1: usize,
  p2: usize,
  p3: usize,
  p4: usize,
  count: i32,
): void {
  let i: usize = 0
  for (let n = count >> 2; n > 0; n--) {
    const x0 = v128.load(p0 + i)
    const x1 = v128.load(p1 + i)
    const x2 = v128.load(p2 + i)
    const x3 = v128.load(p3 + i)
    const x4 = v128.load(p4 + i)
    const lo01 = i32x4.shuffle(x0, x1, 0, 4, 1, 5)
    const hi01 = i32x4.shuffle(x0, x1, 2, 6, 3, 7)
    const lo23 = i32x4.shuffle(x2, x3, 0, 4, 1, 5)
    const hi23 = i32x4.shuffle(x2, x3, 2, 6, 3, 7)
    v128.store(dst, i64x2.shuffle(lo01, lo23, 0, 2))
    v128.store32_lane(dst, x4, 0, 16)
    v128.store(dst, i64x2.shuffle(lo01, lo23, 1, 3), 20)
    v128.store32_lane(dst, x4, 1, 36)
    v128.store(dst, i64x2.shuffle(hi01, hi23, 0, 2), 40)
    v128.store32_lane(dst, x4, 2, 56)
    v128.store(dst, i64x2.shuffle(hi01, hi23, 1, 3), 60)
    v128.store32_lane(dst, x4, 3, 76)
    i += 16
    dst += 80
  }
  for (let n = count & 3; n > 0; n--) {
    store<f32>(dst, load<f32>(p0 + i))
    store<f32>(dst, load<f32>(p1 + i), 4)
    store<f32>(dst, load<f32>(p2 + i), 8)
    store<f32>(dst, load<f32>(p3 + i), 12)
    store<f32>(dst, load<f32>(p4 + i), 16)
    i += 4
    dst += 20
  }
}

/**
 * Panels [k][5] of `rows` rows of A, one behind the other; strides rs between rows and cs between
 * k, one of which is 4. What stands behind the last row is a row again, or zeros: no one reads what
 * comes of it.
 */
function packA(dst: usize, src: usize, rs: usize, cs: usize, rows: i32, k: i32): void {
  const panel = <usize>k * 20
  if (cs == 4) {
    const last = src + <usize>(rows - 1) * rs
    for (; src <= last; src += 5 * rs) {
      packRows(
        dst,
        src,
        min(src + rs, last),
        min(src + 2 * rs, last),
        min(src + 3 * rs, last),
        min(src + 4 * rs, last),
        k,
      )
      dst += panel
    }
    return
  }
  const whole = rows / MR
  const up = ((rows + MR - 1) / MR) * MR
  for (let p = 0; p < k; p++) {
    spreadFives(dst, panel, src, whole)
    const edge = dst + <usize>whole * panel
    for (let i = whole * MR; i < up; i++)
      store<f32>(
        edge + <usize>((i - whole * MR) << 2),
        i < rows ? load<f32>(src + ((<usize>i) << 2)) : 0,
      )
    src += cs
    dst += 20
  }
}

/** Fives of contiguous floats to places `step` bytes apart. */
export function spreadFives(dst: usize, step: usize, src: usize, count: i32): void {
  const end = src + <usize>count * 20
  while (src != end) {
    v128.store(dst, v128.load(src))
    store<f32>(dst, load<f32>(src, 16), 16)
    src += 20
    dst += step
  }
}

/** dst[k][4 of 8] = four contiguous columns, cs bytes apart. */
export function packHalf(dst: usize, p0: usize, cs: usize, count: i32): void {
  const p1 = p0 + cs
  const p2 = p1 + cs
  const p3 = p2 + cs
  let i: usize = 0
  for (let n = count >> 2; n > 0; n--) {
    const x0 = v128.load(p0 + i)
    const x1 = v128.load(p1 + i)
    const x2 = v128.load(p2 + i)
    const x3 = v128.load(p3 + i)
    const lo01 = i32x4.shuffle(x0, x1, 0, 4, 1, 5)
    const hi01 = i32x4.shuffle(x0, x1, 2, 6, 3, 7)
    const lo23 = i32x4.shuffle(x2, x3, 0, 4, 1, 5)
    const hi23 = i32x4.shuffle(x2, x3, 2, 6, 3, 7)
    v128.store(dst, i64x2.shuffle(lo01, lo23, 0, 2))
    v128.store(dst, i64x2.shuffle(lo01, lo23, 1, 3), 32)
    v128.store(dst, i64x2.shuffle(hi01, hi23, 0, 2), 64)
    v128.store(dst, i64x2.shuffle(hi01, hi23, 1, 3), 96)
    i += 16
    dst += 128
  }
  for (let n = count & 3; n > 0; n--) {
    store<f32>(dst, load<f32>(p0 + i))
    store<f32>(dst, load<f32>(p1 + i), 4)
    store<f32>(dst, load<f32>(p2 + i), 8)
    store<f32>(dst, load<f32>(p3 + i), 12)
    i += 4
    dst += 32
  }
}

/**
 * Packs k × `columns` (1–8, the rest zero) to [k][8]; element strides rs between k, cs between
 * columns (in bytes).
 */
function packPanel8(dst: usize, src: usize, rs: usize, cs: usize, columns: i32, k: i32): void {
  if (columns == 8 && rs == 4) {
    // Columns are contiguous in k: two transposed halves of four, 32 bytes from step to step.
    packHalf(dst, src, cs, k)
    packHalf(dst + 16, src + 4 * cs, cs, k)
    return
  }
  for (let p = 0; p < k; p++) {
    if (columns == 8 && cs == 4) {
      v128.store(dst, v128.load(src))
      v128.store(dst, v128.load(src, 16), 16)
    } else
      for (let j: usize = 0; j < 8; j++)
        store<f32>(dst + (j << 2), <i32>j < columns ? load<f32>(src + j * cs) : 0)
    src += rs
    dst += 32
  }
}

/** c[m][n] = a · b with element strides in bytes; scratch: `matmulScratch` bytes. */
function product(
  c: usize,
  a: usize,
  ars: usize,
  acs: usize,
  b: usize,
  brs: usize,
  bcs: usize,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
): void {
  check(m > 0 && n > 0 && k > 0)
  const ldc = (<usize>n) << 2
  const edge = scratch
  const pa = scratch + EDGE_BYTES
  const pb = pa + <usize>(MC * KC * 4)
  for (let k0 = 0; k0 < k; k0 += KC) {
    const kc = min(KC, k - k0)
    for (let j = 0; j < n; j += NR)
      packPanel8(
        pb + <usize>(j * kc * 4),
        b + <usize>k0 * brs + <usize>j * bcs,
        brs,
        bcs,
        min(NR, n - j),
        kc,
      )
    for (let i0 = 0; i0 < m; i0 += MC) {
      const mc = min(MC, m - i0)
      packA(pa, a + <usize>i0 * ars + <usize>k0 * acs, ars, acs, mc, kc)
      for (let j = 0; j < n; j += NR) {
        const panel = pb + <usize>(j * kc * 4)
        const columns = min(NR, n - j)
        for (let i = 0; i < mc; i += MR) {
          const to = c + <usize>(i0 + i) * ldc + ((<usize>j) << 2)
          const from = pa + <usize>(i * kc * 4)
          const rows = min(MR, mc - i)
          const whole = rows == MR && columns == NR
          if (whole && k0 == 0) micro(to, ldc, from, panel, 32, kc)
          else {
            micro(edge, 32, from, panel, 32, kc)
            if (whole) addTile(to, ldc, edge)
            else storeEdge(to, ldc, edge, rows, columns, k0 > 0)
          }
        }
      }
    }
  }
}

/** The part of a 5×8 tile that lies inside c: written, or added. */
function storeEdge(c: usize, ldc: usize, tile: usize, rows: i32, columns: i32, add: bool): void {
  for (let i = 0; i < rows; i++) {
    for (let j: usize = 0; j < (<usize>columns) << 2; j += 4)
      store<f32>(c + j, (add ? load<f32>(c + j) : 0) + load<f32>(tile + j))
    c += ldc
    tile += 32
  }
}

/** Scratch bytes of the products below for n columns. */
export function matmulScratch(n: i32): i32 {
  return <i32>EDGE_BYTES + MC * KC * 4 + ((n + 7) & ~7) * KC * 4
}

/** c[m][n] = a[m][k] · b[k][n]. Writes. Operands must not overlap c. */
export function matmulNN(
  c: usize,
  a: usize,
  b: usize,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
): void {
  product(c, a, (<usize>k) << 2, 4, b, (<usize>n) << 2, 4, m, n, k, scratch)
}

/** c[m][n] = a[m][k] · b[n][k]ᵀ. Writes. */
export function matmulNT(
  c: usize,
  a: usize,
  b: usize,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
): void {
  product(c, a, (<usize>k) << 2, 4, b, 4, (<usize>k) << 2, m, n, k, scratch)
}

/** c[m][n] = a[k][m]ᵀ · b[k][n]. Writes. */
export function matmulTN(
  c: usize,
  a: usize,
  b: usize,
  m: i32,
  n: i32,
  k: i32,
  scratch: usize,
): void {
  product(c, a, 4, (<usize>m) << 2, b, (<usize>n) << 2, 4, m, n, k, scratch)
}
