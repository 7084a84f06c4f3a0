/**
 * The lists and grids that the weight gradient from lists of active neurons reads. list-gradient.ts
 * says what they are.
 */

import { check } from '../base/check'
import { ListRecord } from '../generated/records'
import { RateList } from '../opcodes'

/** Output channels of a grid: one cache line. */
export const BLOCK: i32 = RateList.GridChannels
export const BLOCK_BYTES: usize = RateList.GridBytes

/** Input channels of one unit of lists. */
const LIST_CHANNELS: i32 = RateList.Channels

/** Zeros before the first row (column) of a grid. */
// @ts-ignore: decorator
@inline
function margin(kernel: i32, stride: i32, pad: i32): i32 {
  return max(0, kernel - 1 - pad) / stride
}

/**
 * Rows (columns) of a grid: its margin, and then as many as an input or an output pixel reaches.
 */
// @ts-ignore: decorator
@inline
export function gridSize(input: i32, output: i32, kernel: i32, stride: i32, pad: i32): i32 {
  return (
    margin(kernel, stride, pad) +
    max(output, (input + stride - 1) / stride + (pad + stride - 1) / stride)
  )
}

/**
 * totals u16 [16] += how many of the pixels hold the count k, for 16 channels. There are at most
 * 255 pixels, `step` bytes apart.
 */
export function listCount(totals: usize, counts: usize, step: usize, pixels: i32, k: i32): void {
  const wanted = i8x16.splat(<i8>k)
  let found = i8x16.splat(0)
  do {
    found = i8x16.sub(found, i8x16.eq(v128.load(counts), wanted))
    counts += step
  } while (--pixels)
  v128.store(totals, i16x8.add(v128.load(totals), i16x8.extend_low_i8x16_u(found)))
  v128.store(totals, i16x8.add(v128.load(totals, 16), i16x8.extend_high_i8x16_u(found)), 16)
}

/**
 * Writes the index of each pixel into the lists of its neurons that fired, and moves the heads of
 * these lists. heads u32 [16][T], T spikes first; lanes: the bits of the channels that exist;
 * index: that of the first pixel.
 */
export function listFill(
  heads: usize,
  counts: usize,
  step: usize,
  pixels: i32,
  index: i32,
  t: i32,
  lanes: i32,
): void {
  do {
    let active = i8x16.bitmask(i8x16.ne(v128.load(counts), i8x16.splat(0))) & lanes
    while (active) {
      const channel = ctz(active)
      active &= active - 1
      const head =
        heads + ((<usize>(channel * t + t - <i32>load<u8>(counts + <usize>channel))) << 2)
      const at = <usize>load<u32>(head)
      store<u16>(at, <u16>index)
      store<u32>(head, <u32>at + 2)
    }
    counts += step
    index++
  } while (--pixels)
}

/**
 * Copies δ of one group of images and 16 channels into its grid, with its margins. Channels that
 * do not exist are zeros.
 */
function fillGrid(
  grid: usize,
  delta: usize,
  images: i32,
  h: i32,
  w: i32,
  n: i32,
  n0: i32,
  top: i32,
  left: i32,
  gridH: i32,
  gridW: i32,
): void {
  const vectors = <usize>min(4, (n - n0) >> 2)
  const pixelBytes = (<usize>n) << 2
  const imageBytes = <usize>(gridH * gridW) * BLOCK_BYTES
  let src = delta + ((<usize>n0) << 2)
  memory.fill(grid, 0, <usize>images * imageBytes)
  grid += <usize>(top * gridW + left) * BLOCK_BYTES
  for (let image = 0; image < images; image++) {
    for (let y = 0; y < h; y++) {
      let dst = grid + <usize>(y * gridW) * BLOCK_BYTES
      for (let x = 0; x < w; x++) {
        for (let v: usize = 0; v < vectors; v++)
          v128.store(dst + (v << 4), v128.load(src + (v << 4)))
        src += pixelBytes
        dst += BLOCK_BYTES
      }
    }
    grid += imageBytes
  }
}

/** Grids of one unit. */
function unitGrid(rec: ListRecord, unit: i32): void {
  const n = rec.outC
  const outH = rec.outH
  const outW = rec.outW
  const perGroup = rec.imagesPerGroup
  const top = margin(rec.kernelH, rec.strideH, rec.padH)
  const left = margin(rec.kernelW, rec.strideW, rec.padW)
  const gridH = gridSize(rec.inH, outH, rec.kernelH, rec.strideH, rec.padH)
  const gridW = gridSize(rec.inW, outW, rec.kernelW, rec.strideW, rec.padW)
  const blocks = (n + BLOCK - 1) / BLOCK
  const group = unit / blocks
  const grid = rec.grids + <usize>(unit * perGroup * gridH * gridW) * BLOCK_BYTES
  const delta = rec.delta + ((<usize>(group * perGroup * outH * outW * n)) << 2)
  const images = min(perGroup, rec.images - group * perGroup)
  const n0 = (unit % blocks) * BLOCK
  fillGrid(grid, delta, images, outH, outW, n, n0, top, left, gridH, gridW)
}

/** totals u16 [phase][count, the highest first][16]: how many pixels have each count. */
function countPixels(rec: ListRecord, counts: usize, rows: i32, totals: usize): void {
  const h = rec.inH
  const w = rec.inW
  const cs = rec.inC
  const t = rec.steps
  const strideH = rec.strideH
  const strideW = rec.strideW
  const most = rec.mostCounted
  const pixelBytes = <usize>cs * <usize>strideW
  memory.fill(totals, 0, <usize>(strideH * strideW * t) * 32)
  for (let row = 0; row < rows; row++) {
    for (let x = 0; x < strideW; x++) {
      const phase = ((row % h) % strideH) * strideW + x
      let src = counts + <usize>((row * w + x) * cs)
      for (let rest = (w - x + strideW - 1) / strideW; rest > 0; rest -= most) {
        for (let k = 1; k <= t; k++) {
          const total = totals + ((<usize>(phase * t + t - k)) << 5)
          listCount(total, src, pixelBytes, min(rest, most), k)
        }
        src += pixelBytes * <usize>most
      }
    }
  }
}

/** Where each list starts: listPointers, and heads u32 [phase][16][count], which move on. */
function startLists(rec: ListRecord, group: i32, c0: i32, totals: usize, heads: usize): void {
  const cs = rec.inC
  const t = rec.steps
  const phases = rec.strideH * rec.strideW
  const capacity = (<usize>(rec.imagesPerGroup * rec.inH * rec.inW)) << 1
  const lists = rec.lists + <usize>(group * cs + c0) * capacity
  for (let c = 0; c < min(LIST_CHANNELS, cs - c0); c++) {
    let at = <u32>(lists + <usize>c * capacity)
    for (let phase = 0; phase < phases; phase++) {
      let total = totals + ((<usize>(phase * t)) << 5) + ((<usize>c) << 1)
      let head = heads + ((<usize>((phase * LIST_CHANNELS + c) * t)) << 2)
      let pointer =
        rec.listPointers + ((<usize>(((group * phases + phase) * cs + c0 + c) * (t + 1))) << 2)
      for (let k = 0; k < t; k++) {
        store<u32>(head, at)
        store<u32>(pointer, at)
        at += (<u32>load<u16>(total)) << 1
        total += 32
        head += 4
        pointer += 4
      }
      store<u32>(pointer, at)
    }
  }
}

/**
 * Lists, listPointers, Grids = from Counts (u8) and Delta. Units: first (group, 16 input
 * channels) for the lists, then (group, 16 output channels) for the grids; channels run faster.
 * Counts are read 16 at a time, so up to 12 bytes behind Counts are read. Worker scratch:
 * 96·T·strideH·strideW bytes.
 */
export function rateLists(rec: ListRecord, unit: i32, step: i32, scratch: usize): void {
  const h = rec.inH
  const w = rec.inW
  const cs = rec.inC
  const t = rec.steps
  const strideH = rec.strideH
  const strideW = rec.strideW
  const gridH = gridSize(h, rec.outH, rec.kernelH, strideH, rec.padH)
  const gridW = gridSize(w, rec.outW, rec.kernelW, strideW, rec.padW)
  const perGroup = rec.imagesPerGroup
  const groups = (rec.images + perGroup - 1) / perGroup
  const listBlocks = (cs + LIST_CHANNELS - 1) / LIST_CHANNELS
  check(perGroup * gridH * gridW < RateList.MostPixels)
  if (unit >= groups * listBlocks) {
    unitGrid(rec, unit - groups * listBlocks)
    return
  }

  const group = unit / listBlocks
  const c0 = (unit % listBlocks) * LIST_CHANNELS
  const images = min(perGroup, rec.images - group * perGroup)
  const totals = scratch + <usize>(strideH * strideW * t) * 64
  const counts = rec.counts + <usize>(group * perGroup * h * w * cs + c0)
  // First the length of each list, then its start, then its entries.
  countPixels(rec, counts, images * h, totals)
  startLists(rec, group, c0, totals, scratch)
  const top = margin(rec.kernelH, strideH, rec.padH)
  const left = margin(rec.kernelW, strideW, rec.padW)
  const pixelBytes = <usize>cs * <usize>strideW
  const lanes = (1 << min(LIST_CHANNELS, cs - c0)) - 1
  for (let row = 0; row < images * h; row++) {
    const image = row / h
    const y = row % h
    const index = (image * gridH + top + y / strideH) * gridW + left
    for (let x = 0; x < min(w, strideW); x++) {
      const heads = scratch + ((<usize>(((y % strideH) * strideW + x) * LIST_CHANNELS * t)) << 2)
      const src = counts + <usize>((row * w + x) * cs)
      listFill(heads, src, pixelBytes, (w - x + strideW - 1) / strideW, index, t, lanes)
    }
  }
}
