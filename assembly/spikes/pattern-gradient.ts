/**
 * Weight gradient through time of a convolution whose inputs are spikes, from lists of the neurons
 * that fire by their pattern over a group of 4 steps (pattern-lists.ts):
 *
 *   dW[n, c, ky, kx] = Scale · Σ_b Σ_{y, x} Σ_t s_t[b, y, x, c]
 *                      · δ_t[b, (y + padH − ky) / strideH, (x + padW − kx) / strideW, n]
 *
 * over the pixels for which both divisions leave no remainder. s_t is a sum of spikes, over several
 * sources and a pooling window. Any kernel, stride and padding.
 *
 * A neuron of pattern p adds one row, Σ_{t ∈ p} δ_t. These sums of all patterns are made once for
 * each output pixel (11 additions for the 15 patterns of four steps) and 16 output channels, in a
 * grid with margins of zeros: [cell][R][16]. Where a cell is, and which row a neuron reads, stands
 * in pattern-lists.ts. A unit makes the grid of one group after the other in its scratch, where it
 * stays in the second-level cache while the lists are summed.
 */

import { check } from '../base/check'
import { PatternRecord } from '../generated/records'
import { Pattern } from '../opcodes'
import { fillGrid } from './pattern-grid'
import { phaseOf, rowsOfCell, stepGroups, stripsOf } from './pattern-lists'

/** Output channels of a grid, and the bytes of one of its rows: one cache line. */
const BLOCK: i32 = Pattern.GridChannels
const BLOCK_BYTES: usize = Pattern.RowBytes

/**
 * out[16] += Σ of the rows in a list, for some taps side by side. They read the same row of
 * neighbouring cells: the last tap that of the cell in the list, the tap before it that of the
 * next cell, `cell` bytes on. Sums of taps are `outStep` bytes apart. The last sum comes first: see
 * winograd/products.ts.
 */
// @ts-ignore: decorator
@variants('patternSum', [3, 2, 1])
export function patternSum(
  taps: i32,
  out: usize,
  outStep: usize,
  grid: usize,
  cell: usize,
  list: usize,
  end: usize,
): void {
  const s = locals<v128>(4 * taps, f32x4.splat(0))
  const row = locals<usize>(taps)
  for (; list < end; list += 2) {
    row[taps - 1] = grid + ((<usize>load<u16>(list)) << 6)
    for (let tap: unroll = taps - 1; tap >= 0; tap--) {
      if (tap < taps - 1) row[tap] = row[tap + 1] + cell
      for (let i: unroll = 3; i >= 0; i--)
        s[4 * tap + i] = f32x4.add(s[4 * tap + i], v128.load(row[tap], 16 * i))
    }
  }
  for (let tap: unroll = 0; tap < taps; tap++) {
    if (tap > 0) out += outStep
    for (let i: unroll = 0; i < 4; i++)
      s[4 * tap + i] = f32x4.add(s[4 * tap + i], v128.load(out, 16 * i))
    for (let i: unroll = 0; i < 4; i++) v128.store(out, s[4 * tap + i], 16 * i)
  }
}

/** sums [tap][channels][16] += the grid's rows over the lists of `channels` channels from c0 on. */
function sumLists(
  rec: PatternRecord,
  sums: usize,
  grid: usize,
  group: i32,
  c0: i32,
  channels: i32,
): void {
  const channelsAll = rec.inC
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const padH = rec.padH
  const padW = rec.padW
  const phasesW = min(kernelW, strideW)
  const phases = min(kernelH, strideH) * phasesW
  const listBytes = rec.listBytes
  const cellBytes = <usize>rowsOfCell(rec) * BLOCK_BYTES
  const gridRowBytes = <usize>rec.gridW * cellBytes
  const tapBytes = <usize>channels * BLOCK_BYTES
  const outStep = <usize>strideW * tapBytes

  for (let ky = 0; ky < kernelH; ky++) {
    const moveY = (phaseOf(ky, strideH, padH) + padH - ky) / strideH
    for (let phaseX = 0; phaseX < phasesW; phaseX++) {
      const which = (group * phases + (ky % strideH) * phasesW + phaseX) * channelsAll + c0
      const firstList = rec.lists + <usize>which * listBytes
      const pointers = rec.listPointers + ((<usize>which) << 2)
      // Taps that these lists meet are strideW apart, their cells one.
      let kx = phaseX
      while (kx < kernelW) {
        const taps = min(3, (kernelW - 1 - kx) / strideW + 1)
        const last = kx + (taps - 1) * strideW
        const moveX = (phaseOf(last, strideW, padW) + padW - last) / strideW
        const moved = grid + <usize>moveY * gridRowBytes + <usize>moveX * cellBytes
        let out = sums + <usize>(ky * kernelW + kx) * tapBytes
        let list = firstList
        let pointer = pointers
        for (let c = 0; c < channels; c++) {
          const end = <usize>load<u32>(pointer)
          if (taps == 3) patternSum3(out, outStep, moved, cellBytes, list, end)
          else if (taps == 2) patternSum2(out, outStep, moved, cellBytes, list, end)
          else patternSum1(out, 0, moved, 0, list, end)
          out += BLOCK_BYTES
          list += listBytes
          pointer += 4
        }
        kx = last + strideW
      }
    }
  }
}

/**
 * Partial [Splits][…] = the sums of each split, or Out = with one split
 * (with Accumulate +=); from Lists, listPointers and Delta [B][outH][outW][T][N]. Both have the
 * layout of the weight, [N/blockWidth][kRows][blockWidth]; rows behind the kernel become zero in
 * Partial, or in Out without Accumulate. Unit = (split of the groups, 16 output channels,
 * inCPerUnit input channels), the last run fastest. Worker scratch: 64·kernelH·kernelW·inCPerUnit
 * bytes and 64·R for each cell of the grid, (gridTop + imagesPerGroup·gridH)·gridW + GridLeft.
 */
export function patternWeightGradient(
  rec: PatternRecord,
  unit: i32,
  step: i32,
  scratch: usize,
): void {
  const channelsAll = rec.inC
  const n = rec.outC
  const perGroup = rec.imagesPerGroup
  const perUnit = rec.inCPerUnit
  const imagesAll = rec.images
  const splits = rec.splits
  const taps = rec.kernelH * rec.kernelW
  const perImages = stripsOf(rec) * stepGroups(rec)
  const groups = ((imagesAll + perGroup - 1) / perGroup) * perImages
  const cUnits = (channelsAll + perUnit - 1) / perUnit
  const nBlocks = (n + BLOCK - 1) / BLOCK
  const c0 = (unit % cUnits) * perUnit
  const channels = min(perUnit, channelsAll - c0)
  const n0 = ((unit / cUnits) % nBlocks) * BLOCK
  const split = unit / cUnits / nBlocks
  const bytes = (<usize>min(BLOCK, n - n0)) << 2
  const sumBytes = <usize>(taps * channels) * BLOCK_BYTES
  const grid = scratch + <usize>(taps * perUnit) * BLOCK_BYTES
  check(channels > 0 && (n & 3) == 0 && split < splits && splits <= groups)

  memory.fill(scratch, 0, sumBytes)
  if (bytes < BLOCK_BYTES) {
    // What stands in channels that do not exist is added up too.
    const cells = (rec.gridTop + perGroup * rec.gridH) * rec.gridW + rec.gridLeft
    memory.fill(grid, 0, <usize>(cells * rowsOfCell(rec)) * BLOCK_BYTES)
  }
  const last = <i32>((<i64>groups * (split + 1)) / splits)
  for (let group = <i32>((<i64>groups * split) / splits); group < last; group++) {
    const stepGroup = group % stepGroups(rec)
    const strip = (group / stepGroups(rec)) % stripsOf(rec)
    const firstImage = (group / perImages) * perGroup
    const images = min(perGroup, imagesAll - firstImage)
    const firstRow = strip * rec.rowsPerGroup
    fillGrid(rec, grid, firstImage, images, firstRow, stepGroup, n0, bytes)
    sumLists(rec, scratch, grid, group, c0, channels)
  }
  storeSums(rec, scratch, split, n0, c0, channels)
}

/** Writes the sums of a unit, times Scale, where they belong. */
function storeSums(
  rec: PatternRecord,
  sums: usize,
  split: i32,
  n0: i32,
  c0: i32,
  channels: i32,
): void {
  const channelsAll = rec.inC
  const n = rec.outC
  const taps = rec.kernelH * rec.kernelW
  const width = rec.blockWidth
  const rows = rec.kRows
  const rowBytes = (<usize>width) << 2
  const scale = f32x4.splat(rec.scale)
  const split1 = rec.splits == 1
  const accumulate = split1 && rec.accumulate != 0
  const base = split1 ? rec.out : rec.partial + ((<usize>split * <usize>(rows * n)) << 2)
  for (let i = 0; i < min(BLOCK, n - n0); i += 4) {
    const block =
      base + <usize>(((n0 + i) / width) * rows) * rowBytes + ((<usize>((n0 + i) % width)) << 2)
    let src = sums + ((<usize>i) << 2)
    for (let tap = 0; tap < taps; tap++) {
      let dst = block + <usize>(tap * channelsAll + c0) * rowBytes
      for (let c = 0; c < channels; c++) {
        const value = f32x4.mul(scale, v128.load(src))
        v128.store(dst, accumulate ? f32x4.add(v128.load(dst), value) : value)
        src += BLOCK_BYTES
        dst += rowBytes
      }
    }
    if (c0 + channels < channelsAll || accumulate) continue
    for (let k = taps * channelsAll; k < rows; k++)
      v128.store(block + <usize>k * rowBytes, f32x4.splat(0))
  }
}
