/**
 * Event-driven forward convolution: it adds rows of the weight for the neurons that fire.
 *
 * Neurons that have the same pattern of spikes (lists.ts) add the same weights to the same steps.
 * Their rows are summed once, and the sum is added to each of those steps. Inputs that are sums
 * (weighted lists) multiply their row by a small integer; other inputs multiply nothing.
 */

import { check } from '../base/check'
import { SpikeRecord } from '../generated/records'
import { addMoments, addMoments4, startMoments } from '../norm/moments'
import { Moments, Spike } from '../opcodes'
import { combine7, combine15, combineFew } from './combine'
import { listScratch, listsOfRows, POINTERS } from './lists'
import { stepsOf } from './patterns'
import { sumLists } from './row-sums'

/**
 * Op.SpikeConv. For the steps t of one group
 *
 *   Out[pixel][t][n] = Scale · Σ over patterns p with bit t, over k in list p of Weight[k][n]
 *                      + Bias[n]     (weighted lists: factor · Weight[k][n])
 *
 * Out float32 [B·outH·outW][T][outC] is written. Weight float32 [outC /
 * blockWidth][kRows][blockWidth] has a zero row kernelH·kernelW·InC. Bias is float32 [outC] or 0.
 * The lists are those of Op.SpikeLists. No output may overlap another tensor. Moments, where
 * wanted, are written too: those of each slot's pixels at the steps of the group.
 *
 * Unit = group of blocksPerUnit blocks · ⌈pixels / pixelsPerUnit⌉ + chunk of pixels. Consecutive
 * units read the same blocks of Weight, which stay in the cache. Scratch:
 * 17·4·blockWidth·blocksPerUnit bytes (`spikeConvScratchBytes`), of which each block has
 *
 *   sums float32 [16][blockWidth] (row 0 unused) | bias float32 [blockWidth]
 */
export function spikeConv(rec: SpikeRecord, unit: i32, t: i32, scratch: usize): void {
  const pixels = rec.images * rec.outH * rec.outW
  const perUnit = rec.pixelsPerUnit
  const chunks = (pixels + perUnit - 1) / perUnit
  const group = unit / chunks
  const first = (unit - group * chunks) * perUnit
  const pointers = rec.listPointers + <usize>first * POINTERS
  sumPixels(rec, first, min(first + perUnit, pixels), group * rec.blocksPerUnit, pointers, scratch)
}

/**
 * Op.SpikeForward: SpikeLists and SpikeConv in one, for layers whose weights stay in a near cache.
 * Unit = rowsPerUnit rows of output pixels. Only the worker itself sees their lists, which stay in
 * its cache, so no buffer holds the lists of all pixels. Lists and listPointers are not read.
 * rowsPerUnit·outW is a multiple of MomentPixels.
 *
 * Scratch: 64·outW·rowsPerUnit bytes, plus listBytes·outW·rowsPerUnit, plus the scratch of both,
 * each rounded up to 64 (`spikeForwardScratchBytes`):
 *
 *   scratch of SpikeLists | scratch of SpikeConv | pointers u32 [pixel][16] | lists
 */
export function spikeForward(rec: SpikeRecord, unit: i32, t: i32, scratch: usize): void {
  const outW = rec.outW
  const rows = rec.rowsPerUnit
  const first = unit * rows
  const last = min(first + rows, rec.images * rec.outH)
  const perUnit = rec.blocksPerUnit
  const sums = scratch + listScratch(rec)
  const blockBytes = <usize>Spike.SumRows * ((<usize>rec.blockWidth) << 2)
  const pointers = sums + ((blockBytes * <usize>perUnit + 63) & ~(<usize>63))
  listsOfRows(rec, first, last, pointers, pointers + <usize>(rows * outW) * POINTERS, scratch)
  const blocks = rec.outC / rec.blockWidth
  for (let block = 0; block < blocks; block += perUnit)
    sumPixels(rec, first * outW, last * outW, block, pointers, sums)
}

/** The bias of each block, behind its sums, `setBytes` apart; 0 without one. */
// @ts-ignore: decorator
@inline
function copyBiases(
  rec: SpikeRecord,
  to: usize,
  setBytes: usize,
  block: i32,
  blocks: i32,
  bytes: usize,
): void {
  for (let j: usize = 0; j < <usize>blocks; j++) {
    const bias = to + j * setBytes
    if (rec.bias != 0) memory.copy(bias, rec.bias + (<usize>block + j) * bytes, bytes)
    else memory.fill(bias, 0, bytes)
  }
}

/** out of one block = its sums by pattern, by step, and the bias behind them. */
// @ts-ignore: decorator
@inline
function combine(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  steps: i32,
  pairs: bool,
): void {
  const bias = sums + 16 * bytes
  if (steps < 15) combineFew(out, outStep, sums, bytes, scale, bias, steps)
  else if (pairs) combine7(out, outStep, sums, bytes, scale, bias)
  else combine15(out, outStep, sums, bytes, scale, bias)
}

/**
 * Adds the rows of a pixel, `bytes` of them from their byte `at` on, to its slot of moments; the
 * first pixel of a slot begins it. last: the end of the unit's pixels.
 */
export function addPixel(
  rec: SpikeRecord,
  pixel: i32,
  last: i32,
  out: usize,
  at: usize,
  bytes: usize,
): void {
  const each = rec.momentPixels
  const perGroup = (rec.images * rec.outH * rec.outW + each - 1) / each
  const slot = pixel / each
  const stride = (<usize>rec.outC) << 2
  const m = rec.moments + <usize>((rec.group * perGroup + slot) * Moments.Rows) * stride + at
  const rows = popcnt(stepsOf(rec))
  if (pixel == slot * each) startMoments(m, stride, out, bytes, min(each, last - pixel) * rows)
  if (rows == 4) addMoments4(m, stride, out, bytes)
  else addMoments(m, stride, out, bytes, rows)
}

/**
 * Out of the pixels first … last − 1 and its moments, for up to blocksPerUnit blocks from `block`
 * on. pointers u32 [pixel][16]: those of the first pixel onwards.
 */
function sumPixels(
  rec: SpikeRecord,
  first: i32,
  last: i32,
  block: i32,
  pointers: usize,
  scratch: usize,
): void {
  const steps = stepsOf(rec)
  const width = rec.blockWidth
  const bytes = (<usize>width) << 2
  const blocks = min(rec.blocksPerUnit, rec.outC / width - block)
  check(steps > 0 && blocks > 0 && (width == 4 || width == 8 || width == 16 || width == 32))
  const blockBytes = <usize>rec.kRows * bytes
  const weight = rec.weight + <usize>block * blockBytes
  const outStep = (<usize>rec.outC) << 2
  const outPixel = outStep * <usize>rec.steps
  const scale = rec.scale
  const pairs = steps == 15 && rec.pairLists != 0
  const weighted = rec.weightedLists != 0
  const setBytes: usize = <usize>Spike.SumRows * bytes
  copyBiases(rec, scratch + 16 * bytes, setBytes, block, blocks, bytes)
  const at = <usize>block * bytes
  let out = rec.out + <usize>first * outPixel + <usize>rec.group * Spike.GroupSteps * outStep + at
  const hasMoments = <i32>rec.moments != 0
  check(!hasMoments || first % rec.momentPixels == 0)
  for (let pixel = first; pixel < last; pixel++) {
    const silent = load<u32>(pointers) == load<u32>(pointers, 60)
    // Where there is nothing to sum, the output is the bias.
    // Patterns of pairs of steps are 1, 2, 3, 4, 8, 12 and 15, which stands for both pairs.
    if (!silent)
      for (let p = 1; p <= steps; p += pairs && p > 3 ? (p == 12 ? 3 : 4) : 1)
        sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, p)
    let sums = scratch
    let o = out
    for (let j = 0; j < blocks; j++) {
      if (silent) copySteps(o, outStep, sums + 16 * bytes, bytes, steps)
      else combine(o, outStep, sums, bytes, scale, steps, pairs)
      sums += setBytes
      o += bytes
    }
    if (hasMoments) addPixel(rec, pixel, last, out, at, <usize>blocks * bytes)
    pointers += POINTERS
    out += outPixel
  }
}

/** out[step][…] = row for each step. `steps` is 1, 3, 7 or 15: one to four steps. */
// @ts-ignore: decorator
@inline
export function copySteps(out: usize, outStep: usize, row: usize, bytes: usize, steps: i32): void {
  for (let bit = 1; bit <= steps; bit += bit) {
    memory.copy(out, row, bytes)
    out += outStep
  }
}
