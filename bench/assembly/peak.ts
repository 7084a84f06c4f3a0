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
  const chains: unroll = 12
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  const x = locals<v128>(chains, f32x4.splat(1))
  do {
    for (let i: unroll = 0; i < chains; i++) x[i] = f32x4.add(f32x4.mul(x[i], vs), vt)
  } while (--rounds)
  for (let i: unroll = 0; i < chains; i++) v128.store(out, x[i], 16 * i)
}

/**
 * The same with 24 chains, 192 operations a round, which twelve wide registers hold: without wide
 * vectors it is slower. out float32 [24][4] is written.
 */
export function multiplyAddWide(out: usize, rounds: i32, s: f32, t: f32): void {
  const chains: unroll = 24
  const vs = f32x4.splat(s)
  const vt = f32x4.splat(t)
  const x = locals<v128>(chains, f32x4.splat(1))
  do {
    for (let i: unroll = 0; i < chains; i++) x[i] = f32x4.add(f32x4.mul(x[i], vs), vt)
  } while (--rounds)
  for (let i: unroll = 0; i < chains; i++) v128.store(out, x[i], 16 * i)
}

/** Bytes of the rows that the additions below go over again and again: half of a nearest cache. */
const RING: usize = 16384

/**
 * The inner operation of kernels on spikes: sum[32] += row[32] for `count` rows, an even number,
 * from the nearest cache. rows float32 [128][32] is read in a ring, sum float32 [32] written.
 */
export function addRows(sum: usize, rows: usize, count: i32): void {
  const s = locals<v128>(8, f32x4.splat(0))
  let at: usize = 0
  for (; count > 0; count -= 2) {
    const a = rows + (at & (RING - 1))
    for (let i: unroll = 0; i < 16; i++) s[i % 8] = f32x4.add(s[i % 8], v128.load(a, 16 * i))
    at += 256
  }
  for (let i: unroll = 0; i < 8; i++) v128.store(sum, s[i], 16 * i)
}

/**
 * The same with weights of one byte, in sums of 16 bits that may overflow: sum i16 [32] is written,
 * rows i8 [512][32] are read in a ring.
 */
export function addBytes(sum: usize, rows: usize, count: i32): void {
  const s = locals<v128>(4, i16x8.splat(0))
  let at: usize = 0
  for (; count > 0; count -= 2) {
    const a = rows + (at & (RING - 1))
    for (let i: unroll = 0; i < 4; i++) {
      const row = v128.load(a, 16 * i)
      s[2 * (i % 2)] = i16x8.add(s[2 * (i % 2)], i16x8.extend_low_i8x16_s(row))
      s[2 * (i % 2) + 1] = i16x8.add(s[2 * (i % 2) + 1], i16x8.extend_high_i8x16_s(row))
    }
    at += 64
  }
  for (let i: unroll = 0; i < 4; i++) v128.store(sum, s[i], 16 * i)
}

/** dst[0 … bytes − 1] = src[…] in vectors; bytes a multiple of 64, the ranges apart. Writes. */
export function copy(dst: usize, src: usize, bytes: usize): void {
  const end = src + bytes
  do {
    for (let i: unroll = 0; i < 4; i++) v128.store(dst, v128.load(src, 16 * i), 16 * i)
    src += 64
    dst += 64
  } while (src < end)
}

/** Reads `bytes`, a multiple of 64, and writes what is set in any of them: 64 bytes. */
export function read(sum: usize, src: usize, bytes: usize): void {
  const end = src + bytes
  const s = locals<v128>(4, f32x4.splat(0))
  do {
    for (let i: unroll = 0; i < 4; i++) s[i] = v128.or(s[i], v128.load(src, 16 * i))
    src += 64
  } while (src < end)
  for (let i: unroll = 0; i < 4; i++) v128.store(sum, s[i], 16 * i)
}

/** dst[0 … bytes − 1] = 0 in vectors; bytes a multiple of 64. Writes. */
export function fill(dst: usize, bytes: usize): void {
  const end = dst + bytes
  const zero = f32x4.splat(0)
  do {
    for (let i: unroll = 0; i < 4; i++) v128.store(dst, zero, 16 * i)
    dst += 64
  } while (dst < end)
}
