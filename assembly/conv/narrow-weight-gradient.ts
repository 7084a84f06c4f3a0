/**
 * Weight gradient of convolutions of few input channels; the layout is drawn in conv/narrow.ts.
 */

import { check } from '../base/check'
import { DenseRecord } from '../generated/records'
import { inputOf } from './forward'
import { copyPlanes, fillTaps, rowBytes } from './narrow-planes'
import { storeGradient } from './weight-gradient'

/**
 * Gradient of the weight; the equation is that of `convWeightGradient`. outC is a multiple of 8.
 * Blocks of rowsPerUnit rows of one image of Delta are summed one by one and added up. With one
 * split Out is written (with Accumulate +=); with more, Partial is written and `reduceSplits` sums
 * it. pixelsPerChunk pixels of δ go through all channels and k before the next ones do, so that
 * they stay in the first-level cache. Packed: they are copied first, since rows that lie far apart
 * share few of its sets. Unit = one of Splits parts of the blocks.
 *
 * Scratch: that of `convNarrow` + 4 · (K5 + (K5 + kRows) · outC) − 4 · K − 192 bytes, K5 = K
 * rounded up to a multiple of 5, and where Packed also 4 · pixelsPerChunk · outC bytes.
 */
export function narrowWeightGradient(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const outH = rec.outH
  const outW = rec.outW
  const T = rec.steps
  const N = rec.outC
  const kRows = rec.kRows
  const rowsPerUnit = rec.rowsPerUnit
  const splits = rec.splits
  const K = rec.kernelH * rec.kernelW * rec.inC
  const stepBytes = rec.inStepBytes
  const imageBytes = <usize>(rec.inH * rec.inW) * rec.inPixelBytes
  const input = inputOf(rec, t)
  const lds = (<usize>N) << 2
  const ldb = <usize>T * lds
  const perChunk = rec.pixelsPerChunk
  const perImage = (outH + rowsPerUnit - 1) / rowsPerUnit
  const blocks = rec.images * perImage
  const perSplit = (blocks + splits - 1) / splits
  const end = min(blocks, (unit + 1) * perSplit)
  check((N & 7) == 0)

  // In the last tile, k behind K read what the first tap reads; their sums are not used.
  const tiles = (K + 4) / 5
  const taps = scratch
  const sums = taps + <usize>(tiles * 20)
  const totals = sums + <usize>(tiles * 5) * lds
  const packed = totals + <usize>kRows * lds
  const row = packed + (rec.packed ? <usize>perChunk * lds : 0)
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
      const image = input + <usize>b * imageBytes + <usize>step * stepBytes
      if (step == 0 || stepBytes) copyPlanes(rec, planes, row, image, first, rows)
      const delta = rec.delta + <usize>((b * outH + first) * outW) * ldb + <usize>step * lds
      for (let p = 0; p < pixels; p += perChunk) {
        const d = delta + <usize>p * ldb
        addChunk(rec, sums, taps, d, p, min(perChunk, pixels - p), packed)
      }
    }
    addFloats(totals, sums, K * N)
  }
  storeGradient(rec, unit, 0, kRows, totals, lds)
}

/** sums += the products of `count` pixels of δ from p on with the planes. */
// @ts-ignore: decorator
@inline
function addChunk(
  rec: DenseRecord,
  sums: usize,
  taps: usize,
  d: usize,
  p: i32,
  count: i32,
  packed: usize,
): void {
  const N = rec.outC
  const K = rec.kernelH * rec.kernelW * rec.inC
  const lds = (<usize>N) << 2
  const ldb = <usize>rec.steps * lds
  const pack = rec.packed != 0
  const step8 = pack ? (<usize>count) << 5 : 32
  // δ in panels [N/8][count][8], or where it lies.
  if (pack)
    for (let i = 0; i < count; i++)
      scatterEights(packed + ((<usize>i) << 5), step8, d + <usize>i * ldb, N >> 3)
  const x = (<usize>p) << 2
  for (let n = 0; n < N; n += 8) {
    const b = (pack ? packed : d) + <usize>(n >> 3) * step8
    const c = sums + ((<usize>n) << 2)
    for (let k = 0; k < K; k += 5) {
      const at = taps + ((<usize>k) << 2)
      narrowGradientTile(c + <usize>k * lds, lds, at, x, b, pack ? 32 : ldb, count)
    }
  }
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
  const row = locals<usize>(5)
  const s = locals<v128>(10)
  const a = locals<usize>(5)
  row[0] = c
  for (let i: unroll = 1; i < 5; i++) row[i] = row[i - 1] + ldc
  for (let i: unroll = 0; i < 10; i++) s[i] = v128.load(row[i / 2], 16 * (i % 2))
  for (let i: unroll = 0; i < 5; i++) a[i] = <usize>load<u32>(taps, 4 * i) + x
  for (let left = count; left > 0; left--) {
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    for (let i: unroll = 0; i < 5; i++) {
      const value = v128.load32_splat(a[i])
      s[2 * i] = f32x4.add(s[2 * i], f32x4.mul(value, b0))
      s[2 * i + 1] = f32x4.add(s[2 * i + 1], f32x4.mul(value, b1))
    }
    for (let i: unroll = 0; i < 5; i++) a[i] += 4
    b += ldb
  }
  for (let i: unroll = 0; i < 10; i++) v128.store(row[i / 2], s[i], 16 * (i % 2))
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
