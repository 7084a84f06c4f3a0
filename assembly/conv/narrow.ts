/**
 * Convolutions of few input channels, such as the first of a network. The kernels of forward.ts
 * would spend most of their time there on gathering taps. Here the rows of In that some rows of
 * Out see are copied once for each kernel column. In the copy a tap of consecutive output pixels
 * lies in consecutive floats, across the ends of rows too. For the rows of one image and step from
 * `first` on:
 *
 *   plane[f][kx][c][q][ox] = In[first·sh − ph + q·sh + f][ox·sw − pw + kx][c]
 *   f < min(sh, kernelH),  q < rows + ⌊(kernelH − 1)/sh⌋,  zero outside the image
 *
 * Tap (ky, kx, c) of output pixel p, counted from the first, is the float ⌊ky/sh⌋·outW + p of
 * plane[ky mod sh][kx][c]. So each k has one address, and the pixels follow it. Forward and weight
 * gradient are tiles of eight channels by five pixels or five k. They read those floats, and the
 * weight or δ, where they lie.
 */

import { check } from '../base/check'
import { DenseRecord } from '../generated/records'
import { inputOf } from './forward'
import { copyPlanes, fillTaps, rowBytes } from './narrow-planes'
import { EDGE_BYTES, tile } from './tile'

/**
 * Forward; the equation is that of `convDense`. outC is a multiple of 8. Out is written. Unit =
 * rowsPerUnit rows of one image of Out.
 *
 * Scratch: 192 + 4·K + 8·min(strideW, kernelW)·inC·(outW + ⌊(kernelW − 1)/strideW⌋)
 *   + 4·min(strideH, kernelH)·kernelW·inC·F + 16 bytes, where K = kernelH·kernelW·inC and
 *   F = (rowsPerUnit + ⌊(kernelH − 1)/strideH⌋)·outW rounded up to an odd multiple of 16.
 */
export function convNarrow(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const outH = rec.outH
  const outW = rec.outW
  const T = rec.steps
  const N = rec.outC
  const width = rec.blockWidth
  const kRows = rec.kRows
  const rowsPerUnit = rec.rowsPerUnit
  const K = rec.kernelH * rec.kernelW * rec.inC
  const stepBytes = rec.inStepBytes
  const weight = rec.weight
  const bias = rec.bias
  const initial = bias ? bias : rec.zeros
  const perImage = (outH + rowsPerUnit - 1) / rowsPerUnit
  const b = unit / perImage
  const first = (unit - b * perImage) * rowsPerUnit
  const rows = min(rowsPerUnit, outH - first)
  const pixels = rows * outW
  const ldb = (<usize>width) << 2
  const ldc = (<usize>(T * N)) << 2
  const perChunk = rec.pixelsPerChunk
  check(rows > 0 && (N & 7) == 0 && perChunk % 5 == 0)

  const taps = scratch + EDGE_BYTES
  const row = taps + ((<usize>K) << 2)
  const planes = row + (rowBytes(rec) << 1)
  fillTaps(rec, taps, planes)
  let image = inputOf(rec, t) + <usize>(b * rec.inH * rec.inW) * rec.inPixelBytes
  let out = rec.out + <usize>((b * outH + first) * outW) * ldc
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
 * c[5][8] = start[8] + Σ_k (float at taps[k] + x + 4·row) · b[k][0..7], with ldb bytes between
 * steps of b.
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
