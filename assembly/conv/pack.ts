/**
 * Panels of rows and columns for the micro kernels.
 */

import { MR } from './tile'

/**
 * dst[k][5] = five rows of `count` floats, interleaved. The same row may be given several times.
 */
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
 * Panels [k][5] of `rows` rows of A, one panel after the other. Strides in bytes: rs between rows
 * and cs between k, one of which is 4. The places behind the last row repeat a row or are zeros;
 * their products are not read.
 */
export function packA(dst: usize, src: usize, rs: usize, cs: usize, rows: i32, k: i32): void {
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

/** Copies `count` times five contiguous floats to places that are `step` bytes apart. */
export function spreadFives(dst: usize, step: usize, src: usize, count: i32): void {
  const end = src + <usize>count * 20
  while (src != end) {
    v128.store(dst, v128.load(src))
    store<f32>(dst, load<f32>(src, 16), 16)
    src += 20
    dst += step
  }
}

/**
 * dst[k][0..3] of rows of 8 floats = four columns, each contiguous in k, that are cs bytes apart.
 */
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
 * Packs k × `columns` floats (1 to 8 columns, zeros behind them) to [k][8]. Strides in bytes: rs
 * between k, cs between columns.
 */
export function packPanel8(
  dst: usize,
  src: usize,
  rs: usize,
  cs: usize,
  columns: i32,
  k: i32,
): void {
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
