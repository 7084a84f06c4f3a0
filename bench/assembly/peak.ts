/**
 * What this machine gives a WebAssembly program of one thread at best: multiplications and
 * additions without memory, additions of weights from the nearest cache, and passes over memory
 * without arithmetic. Each is a function with one loop, whose sums are stored side by side: V8 then
 * joins two vectors into a wide one where it does so in the kernels.
 */

/**
 * Twelve independent chains x ← x·s + t in registers, 96 operations of float32 a round. A
 * multiplication and the addition behind it take about six cycles and a core starts two of each in
 * a cycle, so that twelve chains keep it busy; with the constants they fill the 14 vector registers
 * that V8 hands out. s just below 1 and a small t keep the values normal. out float32 [12][4] is
 * written; without a use of their ends the chains would be removed.
 */
export function multiplyAdd(out: usize, rounds: i32, s: f32, t: f32): void {
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  let x0 = f32x4.splat(1)
  let x1 = x0
  let x2 = x0
  let x3 = x0
  let x4 = x0
  let x5 = x0
  let x6 = x0
  let x7 = x0
  let x8 = x0
  let x9 = x0
  let x10 = x0
  let x11 = x0
  do {
    x0 = f32x4.add(f32x4.mul(x0, vs), vt)
    x1 = f32x4.add(f32x4.mul(x1, vs), vt)
    x2 = f32x4.add(f32x4.mul(x2, vs), vt)
    x3 = f32x4.add(f32x4.mul(x3, vs), vt)
    x4 = f32x4.add(f32x4.mul(x4, vs), vt)
    x5 = f32x4.add(f32x4.mul(x5, vs), vt)
    x6 = f32x4.add(f32x4.mul(x6, vs), vt)
    x7 = f32x4.add(f32x4.mul(x7, vs), vt)
    x8 = f32x4.add(f32x4.mul(x8, vs), vt)
    x9 = f32x4.add(f32x4.mul(x9, vs), vt)
    x10 = f32x4.add(f32x4.mul(x10, vs), vt)
    x11 = f32x4.add(f32x4.mul(x11, vs), vt)
  } while (--rounds)
  v128.store(out, x0)
  v128.store(out, x1, 16)
  v128.store(out, x2, 32)
  v128.store(out, x3, 48)
  v128.store(out, x4, 64)
  v128.store(out, x5, 80)
  v128.store(out, x6, 96)
  v128.store(out, x7, 112)
  v128.store(out, x8, 128)
  v128.store(out, x9, 144)
  v128.store(out, x10, 160)
  v128.store(out, x11, 176)
}

/**
 * The same with 24 chains, 192 operations a round, which twelve wide registers hold: without wide
 * vectors it is slower. out float32 [24][4] is written.
 */
export function multiplyAddWide(out: usize, rounds: i32, s: f32, t: f32): void {
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  let x0 = f32x4.splat(1)
  let x1 = x0
  let x2 = x0
  let x3 = x0
  let x4 = x0
  let x5 = x0
  let x6 = x0
  let x7 = x0
  let x8 = x0
  let x9 = x0
  let x10 = x0
  let x11 = x0
  let x12 = x0
  let x13 = x0
  let x14 = x0
  let x15 = x0
  let x16 = x0
  let x17 = x0
  let x18 = x0
  let x19 = x0
  let x20 = x0
  let x21 = x0
  let x22 = x0
  let x23 = x0
  do {
    x0 = f32x4.add(f32x4.mul(x0, vs), vt)
    x1 = f32x4.add(f32x4.mul(x1, vs), vt)
    x2 = f32x4.add(f32x4.mul(x2, vs), vt)
    x3 = f32x4.add(f32x4.mul(x3, vs), vt)
    x4 = f32x4.add(f32x4.mul(x4, vs), vt)
    x5 = f32x4.add(f32x4.mul(x5, vs), vt)
    x6 = f32x4.add(f32x4.mul(x6, vs), vt)
    x7 = f32x4.add(f32x4.mul(x7, vs), vt)
    x8 = f32x4.add(f32x4.mul(x8, vs), vt)
    x9 = f32x4.add(f32x4.mul(x9, vs), vt)
    x10 = f32x4.add(f32x4.mul(x10, vs), vt)
    x11 = f32x4.add(f32x4.mul(x11, vs), vt)
    x12 = f32x4.add(f32x4.mul(x12, vs), vt)
    x13 = f32x4.add(f32x4.mul(x13, vs), vt)
    x14 = f32x4.add(f32x4.mul(x14, vs), vt)
    x15 = f32x4.add(f32x4.mul(x15, vs), vt)
    x16 = f32x4.add(f32x4.mul(x16, vs), vt)
    x17 = f32x4.add(f32x4.mul(x17, vs), vt)
    x18 = f32x4.add(f32x4.mul(x18, vs), vt)
    x19 = f32x4.add(f32x4.mul(x19, vs), vt)
    x20 = f32x4.add(f32x4.mul(x20, vs), vt)
    x21 = f32x4.add(f32x4.mul(x21, vs), vt)
    x22 = f32x4.add(f32x4.mul(x22, vs), vt)
    x23 = f32x4.add(f32x4.mul(x23, vs), vt)
  } while (--rounds)
  v128.store(out, x0)
  v128.store(out, x1, 16)
  v128.store(out, x2, 32)
  v128.store(out, x3, 48)
  v128.store(out, x4, 64)
  v128.store(out, x5, 80)
  v128.store(out, x6, 96)
  v128.store(out, x7, 112)
  v128.store(out, x8, 128)
  v128.store(out, x9, 144)
  v128.store(out, x10, 160)
  v128.store(out, x11, 176)
  v128.store(out, x12, 192)
  v128.store(out, x13, 208)
  v128.store(out, x14, 224)
  v128.store(out, x15, 240)
  v128.store(out, x16, 256)
  v128.store(out, x17, 272)
  v128.store(out, x18, 288)
  v128.store(out, x19, 304)
  v128.store(out, x20, 320)
  v128.store(out, x21, 336)
  v128.store(out, x22, 352)
  v128.store(out, x23, 368)
}

/** Bytes of the rows that the additions below go over again and again: half of a nearest cache. */
const RING: usize = 16384

/**
 * The inner operation of kernels on spikes: sum[32] += row[32] for `count` rows, an even number,
 * from the nearest cache. rows float32 [128][32] is read in a ring, sum float32 [32] written.
 */
export function addRows(sum: usize, rows: usize, count: i32): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  let at: usize = 0
  for (; count > 0; count -= 2) {
    const a = rows + (at & (RING - 1))
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    s2 = f32x4.add(s2, v128.load(a, 32))
    s3 = f32x4.add(s3, v128.load(a, 48))
    s4 = f32x4.add(s4, v128.load(a, 64))
    s5 = f32x4.add(s5, v128.load(a, 80))
    s6 = f32x4.add(s6, v128.load(a, 96))
    s7 = f32x4.add(s7, v128.load(a, 112))
    s0 = f32x4.add(s0, v128.load(a, 128))
    s1 = f32x4.add(s1, v128.load(a, 144))
    s2 = f32x4.add(s2, v128.load(a, 160))
    s3 = f32x4.add(s3, v128.load(a, 176))
    s4 = f32x4.add(s4, v128.load(a, 192))
    s5 = f32x4.add(s5, v128.load(a, 208))
    s6 = f32x4.add(s6, v128.load(a, 224))
    s7 = f32x4.add(s7, v128.load(a, 240))
    at += 256
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
  v128.store(sum, s4, 64)
  v128.store(sum, s5, 80)
  v128.store(sum, s6, 96)
  v128.store(sum, s7, 112)
}

/**
 * The same with weights of one byte, in sums of 16 bits that may overflow: sum i16 [32] is written,
 * rows i8 [512][32] are read in a ring.
 */
export function addBytes(sum: usize, rows: usize, count: i32): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let at: usize = 0
  for (; count > 0; count -= 2) {
    const a = rows + (at & (RING - 1))
    const row0 = v128.load(a)
    const row1 = v128.load(a, 16)
    s0 = i16x8.add(s0, i16x8.extend_low_i8x16_s(row0))
    s1 = i16x8.add(s1, i16x8.extend_high_i8x16_s(row0))
    s2 = i16x8.add(s2, i16x8.extend_low_i8x16_s(row1))
    s3 = i16x8.add(s3, i16x8.extend_high_i8x16_s(row1))
    const row2 = v128.load(a, 32)
    const row3 = v128.load(a, 48)
    s0 = i16x8.add(s0, i16x8.extend_low_i8x16_s(row2))
    s1 = i16x8.add(s1, i16x8.extend_high_i8x16_s(row2))
    s2 = i16x8.add(s2, i16x8.extend_low_i8x16_s(row3))
    s3 = i16x8.add(s3, i16x8.extend_high_i8x16_s(row3))
    at += 64
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
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

/** Reads `bytes`, a multiple of 64, and writes what is set in any of them: 64 bytes. */
export function read(sum: usize, src: usize, bytes: usize): void {
  const end = src + bytes
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  do {
    s0 = v128.or(s0, v128.load(src))
    s1 = v128.or(s1, v128.load(src, 16))
    s2 = v128.or(s2, v128.load(src, 32))
    s3 = v128.or(s3, v128.load(src, 48))
    src += 64
  } while (src < end)
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
}

/** dst[0 … bytes − 1] = 0 in vectors; bytes a multiple of 64. Writes. */
export function fill(dst: usize, bytes: usize): void {
  const end = dst + bytes
  const zero = f32x4.splat(0)
  do {
    v128.store(dst, zero)
    v128.store(dst, zero, 16)
    v128.store(dst, zero, 32)
    v128.store(dst, zero, 48)
    dst += 64
  } while (dst < end)
}
