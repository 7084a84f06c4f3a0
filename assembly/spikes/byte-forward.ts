/**
 * Event-driven forward convolution with weights of one byte (forward.ts has that with float32).
 * Sums over the lists are integers. So the result does not depend on the order of the additions,
 * nor on the width of the vectors.
 */

import { check } from '../base/check'
import { SpikeRecord } from '../generated/records'
import { Spike } from '../opcodes'
import { sumByteList } from './byte-sums'
import { combineBytes7, combineBytes15, combineBytesFew } from './combine'
import { addPixel, copySteps } from './forward'
import { listScratch, listsOfRows, PAIR_PATTERNS, POINTERS } from './lists'
import { stepsOf } from './patterns'

/**
 * `spikeForwardBytes`. For the steps t of one group
 *
 *   Out[pixel][t][n] = (weightScale[n] · Scale) · S + Bias[n]
 *   S = Σ over patterns p with bit t, over k in list p of Weight[k][n]
 *                                                      (weighted lists: factor · Weight[k][n])
 *
 * Out float32 [B·outH·outW][T][outC] is written. Weight i8 [outC / blockWidth][kRows][blockWidth],
 * −128 … 127, has a zero row kernelH·kernelW·InC. S is exact, and rounded to float32; 128 times the
 * spikes of a field is at most 2^31. weightScale is float32 [outC], Bias float32 [outC] or 0. The
 * lists are those of `spikeLists`, and words and moments those of `spikeForward`.
 *
 * Unit = rowsPerUnit rows of output pixels. Scratch: 64·outW·rowsPerUnit bytes, plus
 * listBytes·outW·rowsPerUnit, plus the scratch of SpikeLists, plus 18·4·blockWidth·blocksPerUnit
 * rounded up to 64 (`spikeBytesScratch`):
 *
 *   scratch of SpikeLists | blocks | pointers u32 [pixel][16] | lists
 *
 * of which each block has
 *
 *   sums i32 [16][blockWidth] (row 0 is scratch) | bias float32 [blockWidth] | factor [blockWidth]
 */
export function spikeForwardBytes(rec: SpikeRecord, unit: i32, t: i32, scratch: usize): void {
  const outW = rec.outW
  const rows = rec.rowsPerUnit
  const first = unit * rows
  const last = min(first + rows, rec.images * rec.outH)
  const perUnit = rec.blocksPerUnit
  const sums = scratch + listScratch(rec)
  const setBytes = <usize>Spike.ByteSumRows * ((<usize>rec.blockWidth) << 2)
  const pointers = sums + ((setBytes * <usize>perUnit + 63) & ~(<usize>63))
  listsOfRows(rec, first, last, pointers, pointers + <usize>(rows * outW) * POINTERS, scratch)
  const blocks = rec.outC / rec.blockWidth
  for (let block = 0; block < blocks; block += perUnit)
    sumBytePixels(rec, first * outW, last * outW, block, pointers, sums)
}

/** Bytes of a list whose rows 16 bits can sum: a factor is at most the neurons of an input. */
// @ts-ignore: decorator
@inline
function pieceBytes(rec: SpikeRecord): usize {
  const rows = rec.mostCounted
  if (rec.weightedLists == 0) return <usize>(2 * rows)
  const factor = rec.sourceCount * rec.poolKernelH * rec.poolKernelW
  check(factor <= rows)
  return <usize>((rows / factor) << 2)
}

/** Bias and factor of a block, behind its sums. */
function startBlock(rec: SpikeRecord, block: usize, sums: usize, bytes: usize): void {
  const bias = sums + 16 * bytes
  const from = rec.bias
  if (from != 0) memory.copy(bias, from + block * bytes, bytes)
  else memory.fill(bias, 0, bytes)
  const scales = rec.weightScale + block * bytes
  const scale = f32x4.splat(rec.scale)
  for (let at: usize = 0; at < bytes; at += 16)
    v128.store(bias + bytes + at, f32x4.mul(v128.load(scales + at), scale))
}

/** out of one block = its sums by pattern, by step, times its factors, and the bias. */
// @ts-ignore: decorator
@inline
function combine(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  steps: i32,
  pairs: bool,
): void {
  const bias = sums + 16 * bytes
  if (steps < 15) combineBytesFew(out, outStep, sums, bytes, 1, bias, steps)
  else if (pairs) combineBytes7(out, outStep, sums, bytes, 1, bias)
  else combineBytes15(out, outStep, sums, bytes, 1, bias)
}

/**
 * Out of the pixels first … last − 1, for up to blocksPerUnit blocks from `block` on. pointers u32
 * [pixel][16]: those of the first pixel onwards.
 */
function sumBytePixels(
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

  const blockBytes = <usize>(rec.kRows * width)
  const weight = rec.weight + <usize>block * blockBytes
  const outStep = (<usize>rec.outC) << 2
  const outPixel = outStep * <usize>rec.steps
  const pairs = rec.pairLists != 0
  const weighted = rec.weightedLists != 0
  const piece = pieceBytes(rec)
  const used = pairs && steps == 15 ? PAIR_PATTERNS : -2
  const setBytes: usize = <usize>Spike.ByteSumRows * bytes
  for (let j: usize = 0; j < <usize>blocks; j++)
    startBlock(rec, <usize>block + j, scratch + j * setBytes, bytes)
  const at = <usize>block * bytes
  let out = rec.out + <usize>first * outPixel + <usize>rec.group * Spike.GroupSteps * outStep + at
  const hasMoments = <i32>rec.moments != 0
  check(!hasMoments || first % rec.momentPixels == 0)
  for (let pixel = first; pixel < last; pixel++) {
    const silent = load<u32>(pointers) == load<u32>(pointers, 60)
    // Blocks run side by side: the processor then predicts the length of the second loop over a
    // list.
    for (let p = silent ? 16 : 1; p <= steps; p++) {
      if (((used >> p) & 1) == 0) continue
      let weights = weight
      let sums = scratch
      for (let j = 0; j < blocks; j++) {
        sumByteList(sums, weights, width, weighted, piece, pointers, p)
        weights += blockBytes
        sums += setBytes
      }
    }
    let sums = scratch
    let o = out
    for (let j = 0; j < blocks; j++) {
      if (silent) copySteps(o, outStep, sums + 16 * bytes, bytes, steps)
      else combine(o, outStep, sums, bytes, steps, pairs)
      sums += setBytes
      o += bytes
    }
    if (hasMoments) addPixel(rec, pixel, last, out, at, <usize>blocks * bytes)
    pointers += POINTERS
    out += outPixel
  }
}
