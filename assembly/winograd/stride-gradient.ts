/**
 * The input gradient of 3×3 convolutions of stride 2 and padding 1 by Winograd.
 *
 * Along one axis an even pixel 2i of the input sees one tap, and an odd one two:
 *
 *   x_{2i} = δ_i w_1      x_{2i+1} = δ_i w_2 + δ_{i+1} w_0
 *
 * So four even pixels take four products, and four odd ones five by F(4, 2) instead of eight. From
 * the five values d of δ that they see, with the points 0, 1, −1, 2 and ∞,
 *
 *       | 2 −1 −2  1 0 |       |  1/2    0  |        | 1 1  1 1 0 |
 *       | 0 −2 −1  1 0 |       | −1/2 −1/2  |        | 0 1 −1 2 0 |
 *  Bᵀ = | 0  2 −3  1 0 |   G = | −1/6  1/6  |   Aᵀ = | 0 1  1 4 0 |
 *       | 0 −1  0  1 0 |       |  1/6  1/3  |        | 0 1 −1 8 1 |
 *       | 0  2 −1 −2 1 |       |   0    1   |
 *
 *   odd = Aᵀ (G (w_2, w_0) ⊙ Bᵀ d)
 *
 * In two dimensions a tile of 4×4 pixels of δ, with one more row and column, gives 8×8 pixels from
 * 9×9 = 81 products for each pair of channels, instead of 144. The four even products of an axis
 * share a kernel, so there are 6×6 transformed kernels.
 */

import { check } from '../base/check'
import { WinogradRecord } from '../generated/records'
import { WinogradStride } from '../opcodes'
import { turnKernels } from './input-gradient'
import { winogradProduct, winogradProducts } from './products'
import { BLOCK, BLOCK_BYTES, CHUNK, CHUNK_BYTES, PLANE_PADDING, ROWS_BYTES, SIDE } from './sizes'
import { strideKernel, strideOutput, strideRow } from './stride-transforms'

const PLANES: i32 = WinogradStride.Planes
const KERNELS: usize = WinogradStride.Kernels
const LINE: i32 = WinogradStride.Line
const LINE_BYTES: usize = WinogradStride.LineBytes

/**
 * The transformed kernels.
 *
 * Weight → Scratch [⌈C/8⌉ blocks][36 planes][N][8], written. Unit = (8 input channels, blockWidth
 * output channels), output channels run faster. Worker scratch: LineBytes + 288·BlockWidth,
 * of whole numbers LineBytes + 576·BlockWidth.
 */
export function winogradStrideKernels(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const n = rec.outC
  const width = rec.blockWidth
  const blocks = n / width
  const block = unit % blocks
  const plane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const turned = scratch + LINE_BYTES
  turnKernels(rec, turned, block, (unit / blocks) * BLOCK)
  const dst =
    rec.scratch + <usize>(unit / blocks) * plane * KERNELS + <usize>(block * width) * BLOCK_BYTES
  strideKernel(dst, plane, turned, width * 2, scratch)
}

/** The kernel of a plane: the first four of an axis share one. */
// @ts-ignore: decorator
@inline
function kernelOf(plane: i32): i32 {
  return max(0, plane / LINE - 3) * 6 + max(0, (plane % LINE) - 3)
}

/**
 * dX[b, y, x, t, c] = Σ δ[b, (y + 1 − ky)/2, (x + 1 − kx)/2, t, n] · W[n, c, ky, kx]
 *
 * over n and the taps for which both divisions are exact. Delta [B][outH][outW][T][N], Scratch (of
 * WinogradStrideKernels) → Out [B][inH][inW][T][C], written. Unit = rowsPerUnit tile rows (image,
 * row, t), t runs fastest. With P = rowsPerUnit·⌈outW/4⌉ rounded up to a multiple of 4, worker
 * scratch: 81·(32·P + 192) + 32·T·C + 81·(512·⌈N/128⌉·P + 192) + 2·(LineBytes + 64) + 20·T·N
 * bytes.
 */
export function winogradStrideGradient(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const w = rec.outW
  const cs = rec.inC
  const n = rec.outC
  const steps = rec.steps
  const across = (w + 3) >> 2
  const down = (rec.outH + 3) >> 2
  const rowsPerUnit = rec.rowsPerUnit
  const firstRow = unit * rowsPerUnit
  const rows = min(rowsPerUnit, rec.images * down * steps - firstRow)
  const room = <usize>((rowsPerUnit * across + 3) & ~3)
  const chunks = (n + CHUNK - 1) / CHUNK
  check(rows > 0 && (n & 3) == 0)

  const mPlane = room * BLOCK_BYTES + PLANE_PADDING
  const uPlane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const vChunk = room * CHUNK_BYTES
  const vPlane = vChunk * <usize>chunks + PLANE_PADDING
  const mFar: usize = WIDE ? mPlane * PLANES : 0
  const uFar: usize = WIDE ? uPlane * KERNELS : 0
  const nowhere = scratch + mPlane * (PLANES * SIDE)
  const v = nowhere + ((<usize>(cs * steps)) << 5) + ROWS_BYTES + LINE_BYTES
  const work = v + vPlane * PLANES
  for (let i = 0; i < rows; i++) {
    const dst = v + <usize>(i * across) * CHUNK_BYTES
    const h = rec.outH
    strideRow(dst, vChunk, vPlane, rec.delta, h, w, n, steps, firstRow + i, i == 0, work)
  }

  let u = rec.scratch
  for (let c = 0; c < cs; c += BLOCK * SIDE) {
    const two = WIDE ? c + BLOCK < cs : false
    for (let plane = 0; plane < PLANES; plane++)
      for (let k = 0; k < chunks; k++) {
        const to = scratch + <usize>plane * mPlane
        const left = v + <usize>plane * vPlane + <usize>k * vChunk
        const right = u + <usize>kernelOf(plane) * uPlane + <usize>(k * CHUNK) * BLOCK_BYTES
        const count = min(CHUNK, n - k * CHUNK)
        if (two) winogradProducts(to, mFar, left, right, uFar, count, rows * across, k > 0)
        else winogradProduct(to, left, right, count, rows * across, k > 0)
      }
    u += uPlane * (KERNELS * SIDE)
    for (let i = 0; i < rows; i++) {
      const from = scratch + <usize>(i * across) * BLOCK_BYTES
      writeRow(rec, firstRow + i, c, from, mPlane, nowhere)
      if (two) writeRow(rec, firstRow + i, c + BLOCK, from + mFar, mPlane, nowhere)
    }
  }
}

/**
 * Transforms the products of one tile row into its pixels of Out, channels c … c + 7. Rows behind
 * the image go to `nowhere`; behind it is room for eight pixels, addresses and LineBytes.
 */
function writeRow(
  rec: WinogradRecord,
  tileRow: i32,
  c: i32,
  m: usize,
  mPlane: usize,
  nowhere: usize,
): void {
  const h = rec.inH
  const w = rec.inW
  const cs = rec.inC
  const steps = rec.steps
  const down = (rec.outH + 3) >> 2
  const channelBytes = (<usize>cs) << 2
  const pixel = channelBytes * <usize>steps
  const targets = nowhere + pixel * 8
  const row = tileRow / steps
  const image = row / down
  const y = (row - image * down) * 8
  const first =
    rec.out +
    <usize>((image * h + y) * w) * pixel +
    <usize>(tileRow % steps) * channelBytes +
    ((<usize>c) << 2)
  const vectors = min(2, (cs - c) >> 2)
  for (let x = 0; x < w; x += 8) {
    for (let k = 0; k < 8; k++) {
      const at = first + <usize>(k * w + x) * pixel
      store<u32>(targets + ((<usize>k) << 2), <u32>(y + k < h ? at : nowhere))
    }
    strideOutput(targets, min(8, w - x), pixel, m, mPlane, vectors, targets + ROWS_BYTES)
    m += BLOCK_BYTES
  }
}
