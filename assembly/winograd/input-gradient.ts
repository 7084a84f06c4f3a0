/**
 * The operations of the gradient of the input by Winograd. The equations are in sizes.ts. Forward
 * is the same with the kernels as they are, and what is C here are then output channels.
 */

import { check } from '../base/check'
import { touchLines } from '../base/touch'
import { WinogradRecord } from '../generated/records'
import { dequantiseBlock } from '../spikes/quantise'
import { winogradProduct, winogradProducts } from './products'
import {
  BLOCK,
  BLOCK_BYTES,
  CHUNK,
  CHUNK_BYTES,
  PLANE_PADDING,
  PLANES,
  ROWS_BYTES,
  SIDE,
  TRANSFORM_BYTES,
  VECTOR_BYTES,
} from './sizes'
import { transformRow, winogradKernel, winogradOutput } from './transforms'

/**
 * V = Bᵀ δ B, which the input gradient reads.
 *
 * Delta [B][H][W][T][N] → Scratch [36 planes][⌈N/128⌉ chunks][S + 3][128], written; what is behind
 * N and S stays as it is. Unit = one tile row of one step. Worker scratch: 640 + 24·T·N bytes.
 */
export function winogradInputTransform(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const across = (rec.inW + 3) >> 2
  const total = rec.images * ((rec.inH + 3) >> 2) * rec.steps * across
  check((rec.outC & 3) == 0)
  const dst = rec.scratch + <usize>(unit * across) * CHUNK_BYTES
  transformDelta(rec, dst, <usize>(total + 3) * CHUNK_BYTES, rec.planeBytes, unit, false, scratch)
}

/** One tile row of Delta, in chunks of channels. */
function transformDelta(
  rec: WinogradRecord,
  dst: usize,
  step: usize,
  plane: usize,
  row: i32,
  first: bool,
  scratch: usize,
): void {
  const delta = rec.delta
  const h = rec.inH
  const w = rec.inW
  const n = rec.outC
  const t = rec.steps
  transformRow(dst, CHUNK >> 2, step, plane, delta, h, w, n, t, true, row, first, scratch)
}

/**
 * Transposes the kernels of 8 input channels × one block of output channels and rotates them by
 * 180°. src [9 taps][C][width], at the first of the 8 channels; dst [width][2 halves][9 taps][4],
 * written; `tap` is the bytes of one tap.
 */
export function turnWeights(dst: usize, src: usize, tap: usize, width: i32, halves: i32): void {
  const row = (<usize>width) << 2
  for (let i: usize = 0; i < 9; i++) {
    let from = src + (8 - i) * tap
    for (let half = 0; half < halves; half++) {
      let to = dst + <usize>(half * 144) + i * VECTOR_BYTES
      for (const end = from + row; from < end; from += VECTOR_BYTES) {
        const x0 = v128.load(from)
        const x1 = v128.load(from + row)
        const x2 = v128.load(from + row * 2)
        const x3 = v128.load(from + row * 3)
        const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5)
        const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5)
        const high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
        const high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
        v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
        v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 288)
        v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 576)
        v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 864)
        to += 1152
      }
      from += row * 3
    }
  }
}

/**
 * Turns the kernels of input channels c … c + 7 and one block of output channels. Those of whole
 * numbers (with WeightScale) become floats first. dst: 288·BlockWidth bytes, written, and behind
 * them as many of scratch for whole numbers.
 */
export function turnKernels(rec: WinogradRecord, dst: usize, block: i32, c: i32): void {
  const width = <usize>rec.blockWidth
  const channels = min(BLOCK, rec.inC - c)
  let tap = <usize>rec.inC * width
  let src = rec.weight
  const first = <usize>(block * rec.kRows + c) * width
  const scales = rec.weightScale
  if (scales == 0) src += first << 2
  else {
    let from = src + first
    src = dst + 288 * width
    for (let i: usize = 0; i < 9; i++) {
      const end = from + <usize>channels * width
      const to = src + i * 32 * width
      const own = scales + ((<usize>block * width) << 2)
      dequantiseBlock(rec.blockWidth, to, from, end, own, rec.most + 1)
      from += tap
    }
    tap = 8 * width
  }
  turnWeights(dst, src, tap << 2, rec.blockWidth, channels >> 2)
}

/**
 * Gathers the kernels of 8 output channels × `count` input channels. src: the first of them, rows
 * of a block of the weight, `row` bytes apart, those of two taps `tap`; dst as in `turnWeights`.
 */
export function gatherWeights(dst: usize, src: usize, tap: usize, row: usize, count: i32): void {
  for (; count > 0; count--) {
    let from = src
    for (let i = 0; i < 9; i++) {
      v128.store(dst, v128.load(from))
      v128.store(dst, v128.load(from, 16), 144)
      from += tap
      dst += VECTOR_BYTES
    }
    src += row
    dst += 144
  }
}

/** Channels N whose kernels are transformed at a time. */
// @ts-ignore: decorator
@inline
function kernelChannels(rec: WinogradRecord): i32 {
  return rec.forward ? 4 : rec.blockWidth
}

/**
 * U = G W Gᵀ of the kernels of channels c … c + 7 of Out and kernelChannels(rec) of Delta, from n
 * on; rotated, but not forward. u [36 planes][8 channels apart], written. Values behind C are
 * arbitrary, and the caller drops what comes of them. Scratch: TRANSFORM_BYTES, then that of
 * `turnKernels`.
 */
function transformKernels(
  rec: WinogradRecord,
  u: usize,
  plane: usize,
  n: i32,
  c: i32,
  touches: bool,
  scratch: usize,
): void {
  const cs = rec.inC
  const width = rec.blockWidth
  const kRows = rec.kRows
  const count = kernelChannels(rec)
  const row = (<usize>width) << 2
  const turned = scratch + TRANSFORM_BYTES
  if (rec.forward) {
    // Blocks are of Out's channels, eight of which lie in one; rows are those of Delta.
    const src = rec.weight + <usize>((c / width) * kRows + n) * row + ((<usize>(c % width)) << 2)
    gatherWeights(turned, src, <usize>rec.outC * row, row, count)
  } else {
    const shift: usize = rec.weightScale ? 0 : 2
    const src = rec.weight + ((<usize>(((n / width) * kRows + c) * width)) << shift)
    const bytes = (<usize>(min(BLOCK, cs - c) * width)) << shift
    const tap = (<usize>(cs * width)) << shift
    if (touches) for (let i: usize = 0; i < 9; i++) touchLines(src + i * tap, bytes, scratch)
    turnKernels(rec, turned, n / width, c)
  }
  winogradKernel(u, plane, turned, count * 2)
}

/**
 * U = G W Gᵀ of the kernels, rotated for the input gradient.
 *
 * Weight → Scratch [⌈C/8⌉ blocks][36 planes][N][8], written. Unit = (8 input channels, blockWidth
 * output channels, forward 4), output channels run faster. Worker scratch: 576 + 288·blockWidth
 * bytes, of whole numbers 576 + 576·blockWidth.
 */
export function winogradKernelTransform(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const n = rec.outC
  const count = kernelChannels(rec)
  const parts = n / count
  const first = (unit % parts) * count
  const block = unit / parts
  const plane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const u = rec.scratch + <usize>block * plane * PLANES + <usize>first * BLOCK_BYTES
  transformKernels(rec, u, plane, first, block * BLOCK, false, scratch)
}

/** U of one block of input channels, from c on. Scratch: that of `transformKernels`. */
function transformBlock(rec: WinogradRecord, u: usize, plane: usize, c: i32, scratch: usize): void {
  const count = kernelChannels(rec)
  for (let n = 0; n < rec.outC; n += count)
    transformKernels(rec, u + <usize>n * BLOCK_BYTES, plane, n, c, true, scratch)
}

/** Four rows of `columns` pixels += bias, of `vectors` times four channels. targets u32 [4]. */
export function addBias(
  targets: usize,
  columns: i32,
  pixel: usize,
  bias: usize,
  vectors: i32,
): void {
  const first = v128.load(bias)
  const second = vectors > 1 ? v128.load(bias, 16) : first
  for (const end = targets + 16; targets < end; targets += 4) {
    let at = <usize>load<u32>(targets)
    for (let i = columns; i; i--) {
      v128.store(at, f32x4.add(v128.load(at), first))
      if (vectors > 1) v128.store(at, f32x4.add(v128.load(at, 16), second), 16)
      at += pixel
    }
  }
}

/** U of the blocks of a unit. */
// @ts-ignore: decorator
@inline
function transformUnit(rec: WinogradRecord, u: usize, plane: usize, c: i32, scratch: usize): void {
  transformBlock(rec, u, plane, c, scratch)
  if (WIDE && c + BLOCK < rec.inC)
    transformBlock(rec, u + plane * PLANES, plane, c + BLOCK, scratch)
}

/** Out of one block of channels, from its products m; `nowhere`: four pixels, then scratch. */
function storeBlock(
  rec: WinogradRecord,
  block: i32,
  firstRow: i32,
  rows: i32,
  m: usize,
  mPlane: usize,
  nowhere: usize,
): void {
  const h = rec.inH
  const w = rec.inW
  const steps = rec.steps
  const down = (h + 3) >> 2
  const channelBytes = (<usize>rec.inC) << 2
  const pixel = channelBytes * <usize>steps
  const targets = nowhere + pixel * 4
  const line = targets + ROWS_BYTES
  const c = block * BLOCK
  const vectors = min(2, (rec.inC - c) >> 2)
  check(rows > 0)
  const touches = rec.kernelFirst != 0 && block == 0
  for (let i = 0; i < rows; i++) {
    const step = (firstRow + i) % steps
    const row = (firstRow + i) / steps
    const image = row / down
    const y = (row - image * down) * 4
    const pixels = rec.out + <usize>((image * h + y) * w) * pixel
    if (touches && (i == 0 || step == 0))
      touchLines(pixels, <usize>(min(4, h - y) * w) * pixel, line)
    const first = pixels + <usize>step * channelBytes + ((<usize>c) << 2)
    for (let x = 0; x < w; x += 4) {
      for (let k = 0; k < 4; k++) {
        const target = y + k < h ? first + <usize>(k * w + x) * pixel : nowhere
        store<u32>(targets + ((<usize>k) << 2), <u32>target)
      }
      winogradOutput(targets, min(4, w - x), pixel, m, mPlane, vectors, line)
      if (rec.bias) addBias(targets, min(4, w - x), pixel, rec.bias + ((<usize>c) << 2), vectors)
      m += BLOCK_BYTES
    }
  }
}

/**
 * dX[b, y, x, t, c] = Σ_{ky, kx, n} δ[b, y + 1 − ky, x + 1 − kx, t, n] · W[n, c, ky, kx]
 *
 * or with forward = 1, for an input δ of N channels and C output channels,
 *
 * Y[b, y, x, t, c] = Bias[c] + Σ_{ky, kx, n} δ[b, y + ky − 1, x + kx − 1, t, n] · W[c, n, ky, kx]
 *
 * → Out [B][H][W][T][C], written. Tile rows are (image, row, t), t runs fastest. Scratch holds one
 * of the two factors, and the unit computes the other:
 *
 *   kernelFirst = 1   Scratch has the kernels (of WinogradKernelTransform). Unit = rowsPerUnit tile
 *                     rows, which it transforms, and all channels.
 *   kernelFirst = 0   Scratch has the tiles (of WinogradInputTransform). Unit = (rowsPerUnit tile
 *                     rows, 8 input channels), whose kernels it transforms; channels run faster.
 *
 * Up to 3 tiles behind the last of a unit are read, and what comes of them is dropped. Worker
 * scratch, with P = rowsPerUnit·⌈W/4⌉ rounded up to a multiple of 4: 36·(32·P + 192) + 16·T·C +
 * 640, then
 *
 *   kernelFirst = 1   36·(512·⌈N/128⌉·P + 192) + 640 + 24·T·N bytes
 *   kernelFirst = 0   36·(32·N + 192) and that of winogradKernelTransform
 */
export function winogradInputGradient(
  rec: WinogradRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const n = rec.outC
  const kernelFirst = rec.kernelFirst != 0
  const across = (rec.inW + 3) >> 2
  const rowsAll = rec.images * ((rec.inH + 3) >> 2) * rec.steps
  const rowsPerUnit = rec.rowsPerUnit
  const blocks = (rec.inC + BLOCK - 1) / BLOCK
  const firstRow = (kernelFirst ? unit : unit / blocks) * rowsPerUnit
  const rows = min(rowsPerUnit, rowsAll - firstRow)
  const tiles = rows * across
  const firstBlock = kernelFirst ? 0 : unit % blocks
  // Its neighbour takes the block too.
  if (WIDE && firstBlock % 2) return
  const lastBlock = kernelFirst ? blocks : WIDE ? min(blocks, firstBlock + 2) : firstBlock + 1
  const room = <usize>((rowsPerUnit * across + 3) & ~3)
  const chunks = (n + CHUNK - 1) / CHUNK

  const mPlane = room * BLOCK_BYTES + PLANE_PADDING
  const uPlane = <usize>n * BLOCK_BYTES + PLANE_PADDING
  const nowhere = scratch + mPlane * (PLANES * SIDE)
  const own = nowhere + ((<usize>(rec.inC * rec.steps)) << 4) + ROWS_BYTES + TRANSFORM_BYTES
  let v = rec.scratch
  let vPlane = rec.planeBytes
  let vChunk = <usize>(rowsAll * across + 3) * CHUNK_BYTES
  let u = own
  if (kernelFirst) {
    u = v
    v = own
    vChunk = room * CHUNK_BYTES
    vPlane = vChunk * <usize>chunks + PLANE_PADDING
    for (let i = 0; i < rows; i++) {
      const dst = v + <usize>(i * across) * CHUNK_BYTES
      transformDelta(rec, dst, vChunk, vPlane, firstRow + i, i == 0, own + vPlane * PLANES)
    }
  } else {
    v += <usize>(firstRow * across) * CHUNK_BYTES
    transformUnit(rec, u, uPlane, firstBlock * BLOCK, own + uPlane * (PLANES * SIDE))
  }

  for (let block = firstBlock; block < lastBlock; block += SIDE) {
    const two = WIDE ? block + 1 < lastBlock : false
    for (let plane: usize = 0; plane < PLANES; plane++)
      for (let k = 0; k < chunks; k++) {
        const a = v + plane * vPlane + <usize>k * vChunk
        const b = u + plane * uPlane + <usize>(k * CHUNK) * BLOCK_BYTES
        const count = min(CHUNK, n - k * CHUNK)
        const m = scratch + plane * mPlane
        if (two) winogradProducts(m, mPlane * PLANES, a, b, uPlane * PLANES, count, tiles, k > 0)
        else winogradProduct(m, a, b, count, tiles, k > 0)
      }
    u += uPlane * (PLANES * SIDE)
    storeBlock(rec, block, firstRow, rows, scratch, mPlane, nowhere)
    if (two) storeBlock(rec, block + 1, firstRow, rows, scratch + mPlane * PLANES, mPlane, nowhere)
  }
}
