/**
 * Weight gradient of convolutions of few input channels; the layout is drawn in conv/narrow.ts.
 */

import { check } from '../base/check'
import { address, word } from '../base/record'
import { ConvWord, DenseWord } from '../opcodes'
import { inputOf } from './forward'
import { copyPlanes, fillTaps, rowBytes } from './narrow-planes'
import { storeGradient } from './weight-gradient'

/**
 * Gradient of the weight; the equation is that of `convWeightGradient`. OutC is a multiple of 8.
 * Blocks of RowsPerUnit rows of one image of Delta are summed one by one and added up. With one
 * split Out is written (with Accumulate +=); with more, Partial is written and `reduceSplits` sums
 * it. PixelsPerChunk pixels of δ go through all channels and k before the next ones do, so that
 * they stay in the first-level cache. Packed: they are copied first, since rows that lie far apart
 * share few of its sets. Unit = one of Splits parts of the blocks.
 *
 * Scratch: that of `convNarrow` + 4 · (K5 + (K5 + KRows) · OutC) − 4 · K − 192 bytes, K5 = K
 * rounded up to a multiple of 5, and where Packed also 4 · PixelsPerChunk · OutC bytes.
 */
export function narrowWeightGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const T = word(rec, ConvWord.T)
  const N = word(rec, ConvWord.OutC)
  const kRows = word(rec, ConvWord.KRows)
  const rowsPerUnit = word(rec, DenseWord.RowsPerUnit)
  const splits = word(rec, DenseWord.Splits)
  const K = word(rec, ConvWord.KernelH) * word(rec, ConvWord.KernelW) * word(rec, ConvWord.InC)
  const stepBytes = address(rec, DenseWord.InStepBytes)
  const imageBytes =
    <usize>(word(rec, ConvWord.InH) * word(rec, ConvWord.InW)) *
    address(rec, DenseWord.InPixelBytes)
  const input = inputOf(rec, t)
  const lds = (<usize>N) << 2
  const ldb = <usize>T * lds
  const pack = word(rec, DenseWord.Packed) != 0
  const perChunk = word(rec, DenseWord.PixelsPerChunk)
  const perImage = (outH + rowsPerUnit - 1) / rowsPerUnit
  const blocks = word(rec, ConvWord.Images) * perImage
  const perSplit = (blocks + splits - 1) / splits
  const end = min(blocks, (unit + 1) * perSplit)
  check((N & 7) == 0)

  // In the last tile, k behind K read what the first tap reads; their sums are not used.
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
        address(rec, DenseWord.Delta) + <usize>((b * outH + first) * outW) * ldb + <usize>step * lds
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
 * c[5][8] += Σ_p (float at taps[row] + x + 4·p) · b[p][0..7], with ldb bytes between pixels of b.
 *
 * The sums start from c and are stored as they are, first to last. V8 orders the products by what
 * uses them behind the loop: if the sums were added to c there, it would load every factor first
 * and spill.
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

/** Copies `count` times eight contiguous floats to places that are `step` bytes apart. */
export function scatterEights(dst: usize, step: usize, src: usize, count: i32): void {
  for (let left = count; left > 0; left--) {
    v128.store(dst, v128.load(src))
    v128.store(dst, v128.load(src, 16), 16)
    dst += step
    src += 32
  }
}

/** dst[i] += src[i] for i < count, a multiple of 4. */
export function addFloats(dst: usize, src: usize, count: i32): void {
  for (let left = count; left > 0; left -= 4) {
    v128.store(dst, f32x4.add(v128.load(dst), v128.load(src)))
    dst += 16
    src += 16
  }
}
