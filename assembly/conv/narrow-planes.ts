/**
 * Copies of rows of In for the kernels for few input channels. The layout is drawn in narrow.ts.
 */

import { DenseRecord } from '../generated/records'

/**
 * Floats of a plane. They fill an odd number of cache lines: a pixel has one tap in each plane,
 * and these must not all fall on the same cache set.
 */
// @ts-ignore: decorator
@inline
function planeFloats(rec: DenseRecord): i32 {
  const lines = rec.rowsPerUnit + (rec.kernelH - 1) / rec.strideH
  return (((lines * rec.outW + 15) >> 4) | 1) << 4
}

/** Columns of In, padding included, that a row of Out sees in one phase (column mod strideW). */
// @ts-ignore: decorator
@inline
function phaseFloats(rec: DenseRecord): i32 {
  return rec.outW + (rec.kernelW - 1) / rec.strideW
}

/**
 * Bytes of one row of In, sorted by phase and channel. `copyPlanes` needs scratch for two such
 * rows.
 */
// @ts-ignore: decorator
@inline
export function rowBytes(rec: DenseRecord): usize {
  return (<usize>(min(rec.strideW, rec.kernelW) * rec.inC * phaseFloats(rec))) << 2
}

/** taps[k] = address of tap k of the first output pixel. */
export function fillTaps(rec: DenseRecord, taps: usize, planes: usize): void {
  const sh = rec.strideH
  const perRow = rec.kernelW * rec.inC
  const planeBytes = (<usize>planeFloats(rec)) << 2
  for (let ky = 0; ky < rec.kernelH; ky++) {
    let tap =
      planes + <usize>((ky % sh) * perRow) * planeBytes + ((<usize>((ky / sh) * rec.outW)) << 2)
    for (let i = 0; i < perRow; i++) {
      store<u32>(taps, <u32>tap)
      taps += 4
      tap += planeBytes
    }
  }
}

/** row = row y of In, padded and divided into channels and phases. */
// @ts-ignore: decorator
@inline
function copyPhases(rec: DenseRecord, row: usize, image: usize, y: i32): void {
  const inC = rec.inC
  const inW = rec.inW
  const sw = rec.strideW
  const padW = rec.padW
  const pixelBytes = rec.inPixelBytes
  const columnBytes = <usize>sw * pixelBytes
  const columns = phaseFloats(rec)
  const phases = min(sw, rec.kernelW)
  for (let phase = 0; phase < phases; phase++) {
    // Column i of the phase is x = i·sw + phase − padW.
    const low = max(0, padW - phase + sw - 1) / sw
    const count = min(columns, max(0, inW + padW - phase + sw - 1) / sw) - low
    let dst = row + ((<usize>(phase * inC * columns + low)) << 2)
    let src = image + <usize>(y * inW + low * sw + phase - padW) * pixelBytes
    for (let c = 0; c < inC; c++) {
      if (columnBytes == 4) copyFloats(dst, src, count)
      else gatherFloats(dst, src, columnBytes, count)
      dst += (<usize>columns) << 2
      src += 4
    }
  }
}

/**
 * Fills the planes for `rows` rows of Out from `first` on. image: address of the image at its step;
 * row: scratch for two rows of In (`rowBytes`).
 */
export function copyPlanes(
  rec: DenseRecord,
  planes: usize,
  row: usize,
  image: usize,
  first: i32,
  rows: i32,
): void {
  const inC = rec.inC
  const inH = rec.inH
  const outW = rec.outW
  const sh = rec.strideH
  const sw = rec.strideW
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const planeBytes = (<usize>planeFloats(rec)) << 2
  const columns = phaseFloats(rec)
  // One row of In at a time, padded and divided into channels and phases; the second stays zero,
  // for rows outside the image.
  const blank = row + rowBytes(rec)
  memory.fill(row, 0, rowBytes(rec) << 1)
  const y0 = first * sh - rec.padH
  for (let j = 0; j < (rows - 1) * sh + kernelH; j++) {
    const q = j / sh
    const f = j - q * sh
    if (f >= kernelH) continue
    const y = y0 + j
    const present = <u32>y < <u32>inH
    if (present) copyPhases(rec, row, image, y)
    let dst = planes + <usize>(f * kernelW * inC) * planeBytes + ((<usize>(q * outW)) << 2)
    for (let kx = 0; kx < kernelW; kx++) {
      const shift = kx / sw
      let src =
        (present ? row : blank) + ((<usize>((kx - shift * sw) * inC * columns + shift)) << 2)
      for (let c = 0; c < inC; c++) {
        copyFloats(dst, src, outW)
        dst += planeBytes
        src += (<usize>columns) << 2
      }
    }
  }
}

/**
 * dst[i] = src[i] for i < count; nothing when count is negative. Made for short runs, where
 * calling memory.copy takes longer than the copy.
 */
export function copyFloats(dst: usize, src: usize, count: i32): void {
  let left = count
  for (; left >= 4; left -= 4) {
    v128.store(dst, v128.load(src))
    dst += 16
    src += 16
  }
  for (; left > 0; left--) {
    store<f32>(dst, load<f32>(src))
    dst += 4
    src += 4
  }
}

/** dst[i] = the float at src + i·step for i < count; nothing when count is negative. */
export function gatherFloats(dst: usize, src: usize, step: usize, count: i32): void {
  for (let left = count; left > 0; left--) {
    store<f32>(dst, load<f32>(src))
    dst += 4
    src += step
  }
}
