/**
 * Weight gradient of a convolution whose inputs are spikes. Only neurons that fired contribute,
 * and they add rows of δ without multiplying:
 *
 *   dW[n, c, ky, kx] = Scale · Σ_b Σ_{y, x} count[b, y, x, c]
 *                      · δ[b, (y + padH − ky) / strideH, (x + padW − kx) / strideW, n]
 *
 * over the pixels for which both divisions leave no remainder. `count` is the number of spikes of
 * a neuron over all steps, 0 … T, as bytes [B][H][W][C]. (Scale is therefore 1/T for a gradient
 * with respect to rates.) Any kernel, stride and padding.
 *
 * Images are taken in groups of ImagesPerGroup. There are two records, one after the other:
 *
 *   RateLists            counts → for each (group, phase, c) the list of the pixels where the
 *                        neuron fired, those with most spikes first
 *                        δ → grids [group][N/16][image of the group][gridH][gridW][16] with margins
 *                        of zeros
 *   ListWeightGradient   sums of the grids over the lists
 *
 * A phase is (y mod strideH, x mod strideW): all pixels of a phase meet the same taps. In its
 * list, pixel (y, x) has the index (image · gridH + Top + y / strideH) · gridW + Left + x /
 * strideW, to which each tap adds a constant. A pixel that fired k times is read once and counted
 * k times: sum the pixels of T spikes and add the sum to the result, continue the sum with those
 * of T − 1 and add it again, and so on.
 *
 *   Lists         u16 [group][C][pixels of a full group]; the phases of a channel follow each other
 *   listPointers  u32 [group][phase][C][T + 1]: where the pixels of T, T − 1, … 1 spikes start; the
 *                 last word is the end
 *   Grids         δ with its margins; a group of fewer images leaves the rest of its grid as it is
 *
 * Sizes and words come from src/compile/convolution/patterns.ts.
 */

import { check } from '../base/check'
import { ListRecord } from '../generated/records'
import { RateList } from '../opcodes'
import { BLOCK, BLOCK_BYTES, gridSize } from './rate-lists'

/** Bytes of the sums of the taps that are summed together. */
const SUMS_BYTES: usize = RateList.TapsAtOnce * RateList.GridBytes

/**
 * out[16] += Σ_{k = T … 1} k · Σ_{pixels of k spikes} grid[pixel][16]. pointers: the T + 1 of one
 * channel.
 */
export function listSum(out: usize, grid: usize, pointers: usize, t: i32): void {
  const s = locals<v128>(4, f32x4.splat(0))
  const r = locals<v128>(4)
  for (let i: unroll = 0; i < 4; i++) r[i] = v128.load(out, 16 * i)
  let at = <usize>load<u32>(pointers)
  do {
    pointers += 4
    const end = <usize>load<u32>(pointers)
    for (; at < end; at += 2) {
      const pixel = grid + ((<usize>load<u16>(at)) << 6)
      for (let i: unroll = 0; i < 4; i++) s[i] = f32x4.add(s[i], v128.load(pixel, 16 * i))
    }
    for (let i: unroll = 0; i < 4; i++) r[i] = f32x4.add(r[i], s[i])
  } while (--t)
  for (let i: unroll = 0; i < 4; i++) v128.store(out, r[i], 16 * i)
}

/**
 * `listSum` for two taps of one phase, which read the same lists: one tap alone keeps so few sums
 * in flight that additions wait for each other. sums: TapsAtOnce rows of scratch.
 */
// @ts-ignore: decorator
@inline
function sumTwice(
  out: usize,
  otherOut: usize,
  grid: usize,
  other: usize,
  pointers: usize,
  t: i32,
  sums: usize,
): void {
  memory.fill(sums, 0, SUMS_BYTES)
  do {
    const at = <usize>load<u32>(pointers)
    listAddTwice(out, otherOut, grid, other, at, load<u32>(pointers, 4), sums)
    pointers += 4
  } while (--t)
}

/**
 * sums [2][16] += the rows of grid and of other in a list; out [16] and otherOut [16] += sums. A
 * function with one loop: with the loop over counts in it, V8 12 and older spill the sums.
 */
export function listAddTwice(
  out: usize,
  otherOut: usize,
  grid: usize,
  other: usize,
  list: usize,
  end: usize,
  sums: usize,
): void {
  const s = locals<v128>(8)
  for (let i: unroll = 0; i < 8; i++) s[i] = v128.load(sums, 16 * i)
  for (; list < end; list += 2) {
    const pixel = (<usize>load<u16>(list)) << 6
    const a = grid + pixel
    for (let i: unroll = 0; i < 4; i++) s[i] = f32x4.add(s[i], v128.load(a, 16 * i))
    const b = other + pixel
    for (let i: unroll = 0; i < 4; i++) s[4 + i] = f32x4.add(s[4 + i], v128.load(b, 16 * i))
  }
  for (let i: unroll = 0; i < 8; i++) v128.store(sums, s[i], 16 * i)
  for (let i: unroll = 0; i < 4; i++)
    v128.store(out, f32x4.add(v128.load(out, 16 * i), s[i]), 16 * i)
  for (let i: unroll = 0; i < 4; i++)
    v128.store(otherOut, f32x4.add(v128.load(otherOut, 16 * i), s[4 + i]), 16 * i)
}

/** Taps (of rows or of columns) that the pixels of a phase meet: first, first + stride, … */
// @ts-ignore: decorator
@inline
function firstTap(phase: i32, pad: i32, stride: i32): i32 {
  return (phase + pad) % stride
}

/** How many taps those are. */
// @ts-ignore: decorator
@inline
function tapsOfPhase(first: i32, kernel: i32, stride: i32): i32 {
  return max(0, kernel - first + stride - 1) / stride
}

/**
 * Sums [tap][inCPerUnit][16] += those of the pixels of one phase. `lists`: pointers of the first
 * input channel; `grid`: of the group and output channels. Taps come in pairs: `otherOut` and
 * `other` are those of the tap before.
 */
function addPhase(
  rec: ListRecord,
  phaseY: i32,
  phaseX: i32,
  lists: usize,
  grid: usize,
  channels: i32,
  scratch: usize,
): void {
  const t = rec.steps
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const padH = rec.padH
  const padW = rec.padW
  const gridW = gridSize(rec.inW, rec.outW, kernelW, strideW, padW)
  const firstY = firstTap(phaseY, padH, strideH)
  const firstX = firstTap(phaseX, padW, strideW)
  const across = tapsOfPhase(firstX, kernelW, strideW)
  const taps = tapsOfPhase(firstY, rec.kernelH, strideH) * across
  const pointerBytes = (<usize>(t + 1)) << 2
  const sums = scratch + <usize>(rec.kernelH * kernelW * channels) * BLOCK_BYTES
  let otherOut: usize = 0
  let other: usize = 0
  for (let tap = 0; tap < taps; tap++) {
    const ky = firstY + (tap / across) * strideH
    const kx = firstX + (tap % across) * strideW
    // How far the tap's output is from a pixel in the grid; both divisions are exact.
    const moveY = (phaseY + padH - ky) / strideH
    const moveX = (phaseX + padW - kx) / strideW
    const moved = grid + <usize>(moveY * gridW + moveX) * BLOCK_BYTES
    let out = scratch + <usize>((ky * kernelW + kx) * channels) * BLOCK_BYTES
    const isSecond = (tap & 1) != 0
    if (!isSecond && tap + 1 < taps) {
      otherOut = out
      other = moved
      continue
    }
    let pointers = lists
    for (let c = 0; c < channels; c++) {
      if (isSecond) {
        sumTwice(otherOut, out, other, moved, pointers, t, sums)
        otherOut += BLOCK_BYTES
      } else listSum(out, moved, pointers, t)
      out += BLOCK_BYTES
      pointers += pointerBytes
    }
  }
}

/** Out = Scale · sums [tap][channels][16], of the channels c0 and nBlock · 16 and on. */
function storeSums(rec: ListRecord, sums: usize, c0: i32, channels: i32, nBlock: i32): void {
  const cs = rec.inC
  const taps = rec.kernelH * rec.kernelW
  const width = rec.blockWidth
  const rows = rec.kRows
  const rowBytes = (<usize>width) << 2
  const scale = f32x4.splat(rec.scale)
  const n0 = nBlock * BLOCK
  for (let i = 0; i < min(BLOCK, rec.outC - n0); i += 4) {
    const block =
      rec.out + <usize>(((n0 + i) / width) * rows) * rowBytes + ((<usize>((n0 + i) % width)) << 2)
    let src = sums + ((<usize>i) << 2)
    for (let tap = 0; tap < taps; tap++) {
      let dst = block + <usize>(tap * cs + c0) * rowBytes
      for (let c = 0; c < channels; c++) {
        v128.store(dst, f32x4.mul(scale, v128.load(src)))
        src += BLOCK_BYTES
        dst += rowBytes
      }
    }
    if (c0 + channels == cs) {
      for (let k = taps * cs; k < rows; k++) v128.store(block + <usize>k * rowBytes, f32x4.splat(0))
    }
  }
}

/**
 * Out = from Lists, listPointers and Grids. Out has the layout of the
 * weight, [N/blockWidth][kRows][blockWidth]; its rows behind the kernel become zero. The sum runs
 * over the groups in order. Unit = (16 output channels, inCPerUnit input channels), input channels
 * run faster. Worker scratch: 64·inCPerUnit·kernelH·kernelW + 128 bytes.
 */
export function listWeightGradient(rec: ListRecord, unit: i32, step: i32, scratch: usize): void {
  const cs = rec.inC
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const gridH = gridSize(rec.inH, rec.outH, kernelH, strideH, rec.padH)
  const gridW = gridSize(rec.inW, rec.outW, kernelW, strideW, rec.padW)
  const perGroup = rec.imagesPerGroup
  const groups = (rec.images + perGroup - 1) / perGroup
  const perUnit = rec.inCPerUnit
  const cUnits = (cs + perUnit - 1) / perUnit
  const c0 = (unit % cUnits) * perUnit
  const channels = min(perUnit, cs - c0)
  const nBlock = unit / cUnits
  const nBlocks = (rec.outC + BLOCK - 1) / BLOCK
  check(channels > 0 && nBlock < nBlocks)

  memory.fill(scratch, 0, <usize>(kernelH * kernelW * channels) * BLOCK_BYTES)
  const pointerBytes = (<usize>(rec.steps + 1)) << 2
  const gridBytes = <usize>(perGroup * gridH * gridW) * BLOCK_BYTES
  for (let group = 0; group < groups; group++) {
    const grid = rec.grids + <usize>(group * nBlocks + nBlock) * gridBytes
    for (let y = 0; y < strideH; y++)
      for (let x = 0; x < strideW; x++) {
        const phase = (group * strideH + y) * strideW + x
        const lists = rec.listPointers + <usize>(phase * cs + c0) * pointerBytes
        addPhase(rec, y, x, lists, grid, channels, scratch)
      }
  }
  storeSums(rec, scratch, c0, channels, nBlock)
}
