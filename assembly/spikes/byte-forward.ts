/**
 * Event-driven forward convolution with weights of one byte (forward.ts has that with float32).
 * Sums over the lists are integers. So the result does not depend on the order of the additions,
 * nor on the width of the vectors.
 */

import { check } from '../base/check'
import { SpikeRecord } from '../generated/records'
import { Spike } from '../opcodes'
import { nextPattern, sumLists } from './byte-sums'
import {
  combineInts7,
  combineInts15,
  combineIntsFew,
  combineShorts7,
  combineShorts15,
  combineShortsFew,
} from './combine'
import { addPixel, copySteps } from './forward'
import { listScratch, listsOfRows, POINTERS } from './lists'
import { stepsOf } from './patterns'

/**
 * `spikeForwardBytes`. For the steps t of one group
 *
 *   Out[pixel][t][n] = (weightScale[n] · Scale) · S + Bias[n]
 *   S = Σ over patterns p with bit t, over k in list p of Weight[k][n]
 *                                                      (weighted lists: factor · Weight[k][n])
 *
 * Out float32 [B·outH·outW][T][outC] is written. Weight [outC / blockWidth][kRows][blockWidth],
 * −Most … Most, two in a word with an offset (byte-sums.ts), has a zero row kernelH·kernelW·InC. S
 * is exact, and rounded to float32; 128 times the spikes of a field is at most 2^31. weightScale is
 * float32 [outC], Bias float32 [outC] or 0. The lists are those of `spikeLists`, and words and
 * moments those of `spikeForward`.
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

/** Bytes of lists whose entries add up to at most so many weights that 16 bits hold their sum. */
// @ts-ignore: decorator
@inline
function shortBytes(rec: SpikeRecord): usize {
  const rows = rec.mostCounted
  if (rec.weightedLists == 0) return <usize>(2 * rows)
  const factor = rec.sourceCount * rec.poolKernelH * rec.poolKernelW
  check(factor <= rows)
  return <usize>((rows / factor) << 2)
}

/** Bytes of the lists that are added at a step of a group, of the step with the most. */
// @ts-ignore: decorator
@inline
function bytesOfStep(pointers: usize): u32 {
  const s = i32x4.add(
    i32x4.add(v128.load(pointers), v128.load(pointers, 16)),
    i32x4.add(v128.load(pointers, 32), v128.load(pointers, 48)),
  )
  const t1 = i32x4.extract_lane(s, 3) - i32x4.extract_lane(s, 1)
  const t0 = t1 + 2 * i32x4.extract_lane(s, 1) - i32x4.extract_lane(s, 0) - i32x4.extract_lane(s, 2)
  const t3 = load<i32>(pointers, 60) - load<i32>(pointers, 28)
  const t2 = t3 - load<i32>(pointers, 44) + 2 * load<i32>(pointers, 28) - load<i32>(pointers, 12)
  return max(max(t0, t1), max(t2, t3))
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
  short: bool,
): void {
  const bias = sums + 16 * bytes
  if (short) {
    if (steps < 15) combineShortsFew(out, outStep, sums, bytes, 1, bias, steps)
    else if (pairs) combineShorts7(out, outStep, sums, bytes, 1, bias)
    else combineShorts15(out, outStep, sums, bytes, 1, bias)
  } else if (steps < 15) combineIntsFew(out, outStep, sums, bytes, 1, bias, steps)
  else if (pairs) combineInts7(out, outStep, sums, bytes, 1, bias)
  else combineInts15(out, outStep, sums, bytes, 1, bias)
}

/**
 * sums i32 [16][width] of the lists of a pixel, those of the second block setBytes behind them:
 * piece by piece, of which sums[0] has the sum in 16 bits, and behind it where the piece begins and
 * ends.
 */
// @ts-ignore: decorator
@inline
function sumPieces(
  rec: SpikeRecord,
  sums: usize,
  setBytes: usize,
  weight: usize,
  blocks: i32,
  pointers: usize,
  steps: i32,
  pairs: bool,
): void {
  const width = <usize>rec.blockWidth
  const most = shortBytes(rec)
  const piece = sums + 2 * width
  for (let p = 1; p <= steps; p = nextPattern(p, pairs)) {
    const from = pointers + ((<usize>p) << 2)
    const end = <usize>load<u32>(from)
    let list = <usize>load<u32>(from - 4)
    let isFirst = true
    do {
      store<u32>(piece, <u32>list)
      list = min(list + most, end)
      store<u32>(piece, <u32>list, 4)
      // List 1 of a pixel that has no other.
      sumLists(rec, sums - 2 * width, setBytes, weight, blocks, piece, 1, false)
      for (let j: usize = 0; j < <usize>blocks; j++)
        addShorts(sums + j * setBytes, <usize>p, width, isFirst)
      isFirst = false
    } while (list < end)
  }
}

/** sums[p] += sums[0], or =, where sums[0] is i16 [width], and the others i32 [width]. */
function addShorts(sums: usize, p: usize, width: usize, isFirst: bool): void {
  const sum = sums + ((p * width) << 2)
  for (let i: usize = 0; i < width; i += 4) {
    const part = v128.load_ext<i16>(sums + (i << 1))
    const at = sum + (i << 2)
    v128.store(at, isFirst ? part : i32x4.add(v128.load(at), part))
  }
}

/**
 * Out of the pixels first … last − 1 and its moments, for up to blocksPerUnit blocks from `block`
 * on. pointers u32 [pixel][16]: those of the first pixel onwards.
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
  const weight = rec.weight + <usize>(block * rec.kRows * width)
  const outStep = (<usize>rec.outC) << 2
  const outPixel = outStep * <usize>rec.steps
  const pairs = steps == 15 && rec.pairLists != 0
  const most = <u32>shortBytes(rec)
  const setBytes: usize = <usize>Spike.ByteSumRows * bytes
  for (let j: usize = 0; j < <usize>blocks; j++)
    startBlock(rec, <usize>block + j, scratch + j * setBytes, bytes)
  const at = <usize>block * bytes
  let out = rec.out + <usize>first * outPixel + <usize>rec.group * Spike.GroupSteps * outStep + at
  const hasMoments = <i32>rec.moments != 0
  check(!hasMoments || first % rec.momentPixels == 0)
  for (let pixel = first; pixel < last; pixel++) {
    const silent = load<u32>(pointers) == load<u32>(pointers, 60)
    const short = width > 4 && bytesOfStep(pointers) <= most
    if (!silent) {
      if (short) sumLists(rec, scratch, setBytes, weight, blocks, pointers, steps, pairs)
      else sumPieces(rec, scratch, setBytes, weight, blocks, pointers, steps, pairs)
    }
    let sums = scratch
    let o = out
    for (let j = 0; j < blocks; j++) {
      if (silent) copySteps(o, outStep, sums + 16 * bytes, bytes, steps)
      else combine(o, outStep, sums, bytes, steps, pairs, short)
      sums += setBytes
      o += bytes
    }
    if (hasMoments) addPixel(rec, pixel, last, out, at, <usize>blocks * bytes)
    pointers += POINTERS
    out += outPixel
  }
}
