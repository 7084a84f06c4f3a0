/**
 * Convolutions of few input channels, such as a network's first: conv.ts would spend most of its
 * time gathering taps. Here the rows of In that some rows of Out see are copied once for each
 * kernel column, such that a tap of consecutive output pixels lies in consecutive floats, across
 * the ends of rows too. For the rows of one image and step from `first` on:
 *
 *   plane[f][kx][c][q][ox] = In[first·sh − ph + q·sh + f][ox·sw − pw + kx][c] f < min(sh, KernelH),
 *   q < rows + ⌊(KernelH − 1)/sh⌋, zero outside the image
 *
 * Tap (ky, kx, c) of output pixel p, counted from the first, is the float ⌊ky/sh⌋·OutW + p of
 * plane[ky mod sh][kx][c]: one address for each k, and p behind it. Forward and weight gradient are
 * tiles of five pixels, or five k, and eight channels that read those floats and the weight, or δ,
 * where they lie.
 */

import { check } from '../base/check'
import { address, word } from '../base/record'
import { ConvWord } from '../opcodes'
import { inputOf } from './forward'
import { EDGE_BYTES, tile } from './matmul'
import { storeGradient } from './weight-gradient'

/**
 * Bytes of Out or Delta over which all channels and k go before the next: they stay in the
 * first-level cache.
 */
const CHUNK_BYTES: i32 = 16384

/**
 * Rows of Delta further apart than this fall on few cache sets: the weight gradient copies them
 * first.
 */
const PACK_BYTES: usize = 1024

/** Pixels of such a chunk, a multiple of five. */
function chunkPixels(pixelBytes: i32): i32 {
  return min(48, max(8, CHUNK_BYTES / 5 / pixelBytes)) * 5
}

/**
 * Floats of a plane. An odd number of cache lines: the taps of a pixel, one in each plane, must not
 * all fall on the same set.
 */
// @ts-ignore: decorator
@inline
function planeFloats(rec: usize): i32 {
  const lines =
    word(rec, ConvWord.RowsPerUnit) +
    (word(rec, ConvWord.KernelH) - 1) / word(rec, ConvWord.StrideH)
  return (((lines * word(rec, ConvWord.OutW) + 15) >> 4) | 1) << 4
}

/** Columns of In, padding included, that a row of Out sees in one phase (column mod StrideW). */
// @ts-ignore: decorator
@inline
function phaseFloats(rec: usize): i32 {
  return word(rec, ConvWord.OutW) + (word(rec, ConvWord.KernelW) - 1) / word(rec, ConvWord.StrideW)
}

/** Bytes of one row of In by phases and channels: the scratch of `copyPlanes` holds two. */
// @ts-ignore: decorator
@inline
function rowBytes(rec: usize): usize {
  return (
    (<usize>(
      (min(word(rec, ConvWord.StrideW), word(rec, ConvWord.KernelW)) *
        word(rec, ConvWord.InC) *
        phaseFloats(rec))
    )) << 2
  )
}

/** taps[k] = address of tap k of the first output pixel. */
function fillTaps(rec: usize, taps: usize, planes: usize): void {
  const sh = word(rec, ConvWord.StrideH)
  const perRow = word(rec, ConvWord.KernelW) * word(rec, ConvWord.InC)
  const planeBytes = (<usize>planeFloats(rec)) << 2
  for (let ky = 0; ky < word(rec, ConvWord.KernelH); ky++) {
    let tap =
      planes +
      <usize>((ky % sh) * perRow) * planeBytes +
      ((<usize>((ky / sh) * word(rec, ConvWord.OutW))) << 2)
    for (let i = 0; i < perRow; i++) {
      store<u32>(taps, <u32>tap)
      taps += 4
      tap += planeBytes
    }
  }
}

/**
 * Fills the planes for `rows` rows of Out from `first` on. image: address of the image at its step;
 * row: scratch for two rows of In (`rowBytes`).
 */
function copyPlanes(
  rec: usize,
  planes: usize,
  row: usize,
  image: usize,
  first: i32,
  rows: i32,
): void {
  const inC = word(rec, ConvWord.InC)
  const inH = word(rec, ConvWord.InH)
  const inW = word(rec, ConvWord.InW)
  const outW = word(rec, ConvWord.OutW)
  const sh = word(rec, ConvWord.StrideH)
  const sw = word(rec, ConvWord.StrideW)
  const kernelH = word(rec, ConvWord.KernelH)
  const kernelW = word(rec, ConvWord.KernelW)
  const padW = word(rec, ConvWord.PadW)
  const pixelBytes = address(rec, ConvWord.InPixelBytes)
  const columnBytes = <usize>sw * pixelBytes
  const planeBytes = (<usize>planeFloats(rec)) << 2
  const columns = phaseFloats(rec)
  const phases = min(sw, kernelW)
  // One row of In at a time, padded and divided into channels and phases; the second stays zero,
  // for rows outside the image.
  const blank = row + rowBytes(rec)
  memory.fill(row, 0, rowBytes(rec) << 1)
  const y0 = first * sh - word(rec, ConvWord.PadH)
  for (let j = 0; j < (rows - 1) * sh + kernelH; j++) {
    const q = j / sh
    const f = j - q * sh
    if (f >= kernelH) continue
    const y = y0 + j
    const present = <u32>y < <u32>inH
    if (present) {
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
 * dst[i] = src[i], i < count; none when count is negative. For short runs, where memory.copy costs
 * its call.
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

/** dst[i] = the float at src + i·step, i < count; none when count is negative. */
export function gatherFloats(dst: usize, src: usize, step: usize, count: i32): void {
  for (let left = count; left > 0; left--) {
    store<f32>(dst, load<f32>(src))
    dst += 4
    src += step
  }
}

/**
 * Forward, as `convDense`. OutC is a multiple of 8. unit = RowsPerUnit rows of one image of Out.
 * Writes. Worker scratch: 192 + 4 · K + 8 · min(StrideW, KernelW) · InC · (OutW + ⌊(KernelW −
 * 1)/StrideW⌋) + 4 · min(StrideH, KernelH) · KernelW · InC · F + 16 bytes, K = KernelH·KernelW·InC,
 * F = (RowsPerUnit + ⌊(KernelH − 1)/StrideH⌋) · OutW rounded up to an odd multiple of 16.
 */
export function convNarrow(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const T = word(rec, ConvWord.T)
  const N = word(rec, ConvWord.OutC)
  const width = word(rec, ConvWord.BlockWidth)
  const kRows = word(rec, ConvWord.KRows)
  const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
  const K = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW) * word(rec, ConvWord.InC)
  const stepBytes = address(rec, ConvWord.InStepBytes)
  const weight = address(rec, ConvWord.Weight)
  const bias = address(rec, ConvWord.Bias)
  const initial = bias ? bias : address(rec, ConvWord.Zeros)
  const perImage = (outH + rowsPerUnit - 1) / rowsPerUnit
  const b = unit / perImage
  const first = (unit - b * perImage) * rowsPerUnit
  const rows = min(rowsPerUnit, outH - first)
  const pixels = rows * outW
  const ldb = (<usize>width) << 2
  const ldc = (<usize>(T * N)) << 2
  const perChunk = chunkPixels(<i32>ldc)
  check(rows > 0 && (N & 7) == 0)

  const taps = scratch + EDGE_BYTES
  const row = taps + ((<usize>K) << 2)
  const planes = row + (rowBytes(rec) << 1)
  fillTaps(rec, taps, planes)
  let image =
    inputOf(rec, t) +
    <usize>(b * word(rec, ConvWord.InH) * word(rec, ConvWord.InW)) *
      address(rec, ConvWord.InPixelBytes)
  let out = address(rec, ConvWord.Out) + <usize>((b * outH + first) * outW) * ldc
  for (let step = 0; step < T; step++) {
    if (step == 0 || stepBytes) copyPlanes(rec, planes, row, image, first, rows)
    for (let p = 0; p < pixels; p += perChunk) {
      const end = min(p + perChunk, pixels)
      for (let n = 0; n < N; n += 8) {
        const block = n / width
        const w = weight + ((<usize>(block * kRows * width + n - block * width)) << 2)
        const start = initial + ((<usize>n) << 2)
        let c = out + <usize>p * ldc + ((<usize>n) << 2)
        let i = p
        for (; i + 5 <= end; i += 5) {
          narrowTile(c, ldc, taps, (<usize>i) << 2, w, ldb, start, K)
          c += ldc * 5
        }
        if (i < end) {
          narrowTile(scratch, 32, taps, (<usize>i) << 2, w, ldb, start, K)
          for (let s = scratch; i < end; i++) {
            v128.store(c, v128.load(s))
            v128.store(c, v128.load(s, 16), 16)
            c += ldc
            s += 32
          }
        }
      }
    }
    image += stepBytes
    out += (<usize>N) << 2
  }
}

/**
 * c[5][8] = start[8] + Σ_k (float at taps[k] + x + 4·row) · b[k][0..7], ldb bytes between steps of
 * b.
 */
export function narrowTile(
  c: usize,
  ldc: usize,
  taps: usize,
  x: usize,
  b: usize,
  ldb: usize,
  start: usize,
  k: i32,
): void {
  tile(true, c, ldc, taps, x, b, ldb, start, k)
}

/**
 * Gradient of the weight, as `convWeightGradient`. OutC is a multiple of 8. Blocks of RowsPerUnit
 * rows of one image of Delta are summed one by one and added up. unit = one of Splits parts of the
 * blocks. With one split Out is written (Accumulate: added to), with more Partial is, to be summed
 * by `reduceSplits`. Worker scratch: that of `convNarrow` + 4 · (K5 + (K5 + KRows) · OutC) − 4 · K
 * − 192 bytes, K5 = K rounded up to a multiple of 5, and where T · OutC > 256 max(16384, 160 ·
 * OutC) bytes more.
 */
export function narrowWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const T = word(rec, ConvWord.T)
  const N = word(rec, ConvWord.OutC)
  const kRows = word(rec, ConvWord.KRows)
  const rowsPerUnit = word(rec, ConvWord.RowsPerUnit)
  const splits = word(rec, ConvWord.Splits)
  const K = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW) * word(rec, ConvWord.InC)
  const stepBytes = address(rec, ConvWord.InStepBytes)
  const imageBytes =
    <usize>(word(rec, ConvWord.InH) * word(rec, ConvWord.InW)) * address(rec, ConvWord.InPixelBytes)
  const input = inputOf(rec, t)
  const lds = (<usize>N) << 2
  const ldb = <usize>T * lds
  const pack = ldb > PACK_BYTES
  const perChunk = chunkPixels(<i32>(pack ? lds : ldb))
  const perImage = (outH + rowsPerUnit - 1) / rowsPerUnit
  const blocks = word(rec, ConvWord.Images) * perImage
  const perSplit = (blocks + splits - 1) / splits
  const end = min(blocks, (unit + 1) * perSplit)
  check((N & 7) == 0)

  // The last tile's k behind K read what the first tap reads, and nobody reads their sums.
  const tiles = (K + 4) / 5
  const taps = scratch
  const sums = taps + <usize>(tiles * 20)
  const totals = sums + <usize>(tiles * 5) * lds
  const packed = totals + <usize>kRows * lds
  const row = packed + (pack ? <usize>perChunk * lds : 0)
  const planes = row + (rowBytes(rec) << 1)
  fillTaps(rec, taps, planes)
  for (let k = K; k < tiles * 5; k++) store<u32>(taps + ((<usize>k) << 2), <u32>planes)
  memory.fill(totals, 0, <usize>kRows * lds)
  for (let block = unit * perSplit; block < end; block++) {
    const b = block / perImage
    const first = (block - b * perImage) * rowsPerUnit
    const rows = min(rowsPerUnit, outH - first)
    const pixels = rows * outW
    memory.fill(sums, 0, <usize>(tiles * 5) * lds)
    for (let step = 0; step < T; step++) {
      if (step == 0 || stepBytes)
        copyPlanes(
          rec,
          planes,
          row,
          input + <usize>b * imageBytes + <usize>step * stepBytes,
          first,
          rows,
        )
      const delta =
        address(rec, ConvWord.Delta) + <usize>((b * outH + first) * outW) * ldb + <usize>step * lds
      for (let p = 0; p < pixels; p += perChunk) {
        const count = min(perChunk, pixels - p)
        const d = delta + <usize>p * ldb
        // δ in panels [N/8][count][8], or where it lies.
        if (pack)
          for (let i = 0; i < count; i++)
            scatterEights(
              packed + ((<usize>i) << 5),
              (<usize>count) << 5,
              d + <usize>i * ldb,
              N >> 3,
            )
        const step8 = pack ? (<usize>count) << 5 : 32
        for (let n = 0; n < N; n += 8) {
          const b = (pack ? packed : d) + <usize>(n >> 3) * step8
          const c = sums + ((<usize>n) << 2)
          for (let k = 0; k < K; k += 5)
            narrowGradientTile(
              c + <usize>k * lds,
              lds,
              taps + ((<usize>k) << 2),
              (<usize>p) << 2,
              b,
              pack ? 32 : ldb,
              count,
            )
        }
      }
    }
    addFloats(totals, sums, K * N)
  }
  storeGradient(rec, unit, 0, kRows, totals, lds)
}

/**
 * c[5][8] += Σ_p (float at taps[row] + x + 4·p) · b[p][0..7], ldb bytes between pixels of b. The
 * sums start from c and are stored as they are, first to last: V8 orders the products by what uses
 * them behind the loop, and with sums added to c there it loads every factor first and spills.
 */
export function narrowGradientTile(
  c: usize,
  ldc: usize,
  taps: usize,
  x: usize,
  b: usize,
  ldb: usize,
  count: i32,
): void {
  const d1 = c + ldc
  const d2 = d1 + ldc
  const d3 = d2 + ldc
  const d4 = d3 + ldc
  let c00 = v128.load(c),
    c01 = v128.load(c, 16),
    c10 = v128.load(d1),
    c11 = v128.load(d1, 16),
    c20 = v128.load(d2),
    c21 = v128.load(d2, 16)
  let c30 = v128.load(d3),
    c31 = v128.load(d3, 16),
    c40 = v128.load(d4),
    c41 = v128.load(d4, 16)
  let a0 = <usize>load<u32>(taps) + x
  let a1 = <usize>load<u32>(taps, 4) + x
  let a2 = <usize>load<u32>(taps, 8) + x
  let a3 = <usize>load<u32>(taps, 12) + x
  let a4 = <usize>load<u32>(taps, 16) + x
  for (let left = count; left > 0; left--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    let s = v128.load32_splat(a0)
    c00 = f32x4.add(c00, f32x4.mul(s, b0))
    c01 = f32x4.add(c01, f32x4.mul(s, b1))
    s = v128.load32_splat(a1)
    c10 = f32x4.add(c10, f32x4.mul(s, b0))
    c11 = f32x4.add(c11, f32x4.mul(s, b1))
    s = v128.load32_splat(a2)
    c20 = f32x4.add(c20, f32x4.mul(s, b0))
    c21 = f32x4.add(c21, f32x4.mul(s, b1))
    s = v128.load32_splat(a3)
    c30 = f32x4.add(c30, f32x4.mul(s, b0))
    c31 = f32x4.add(c31, f32x4.mul(s, b1))
    s = v128.load32_splat(a4)
    c40 = f32x4.add(c40, f32x4.mul(s, b0))
    c41 = f32x4.add(c41, f32x4.mul(s, b1))
    a0 += 4
    a1 += 4
    a2 += 4
    a3 += 4
    a4 += 4
    b += ldb
  }
  v128.store(c, c00)
  v128.store(c, c01, 16)
  v128.store(d1, c10)
  v128.store(d1, c11, 16)
  v128.store(d2, c20)
  v128.store(d2, c21, 16)
  v128.store(d3, c30)
  v128.store(d3, c31, 16)
  v128.store(d4, c40)
  v128.store(d4, c41, 16)
}

/** Copies so many times eight floats, to places `step` bytes apart. */
export function scatterEights(dst: usize, step: usize, src: usize, count: i32): void {
  for (let left = count; left > 0; left--) {
    v128.store(dst, v128.load(src))
    v128.store(dst, v128.load(src, 16), 16)
    dst += step
    src += 32
  }
}

/** dst[i] += src[i], count a multiple of 4. */
export function addFloats(dst: usize, src: usize, count: i32): void {
  for (let left = count; left > 0; left -= 4) {
    v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)))
    dst += 16
    src += 16
  }
}
