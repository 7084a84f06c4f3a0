/**
 * Event-driven forward convolution: additions of weight rows for the neurons that fire.
 *
 * Neurons of one pattern (spike-lists.ts) add the same weights to the same steps, so their rows are
 * summed once and the sum is added to each of those steps. Inputs that are sums (weighted lists)
 * multiply the row by a small integer; others are not multiplied at all.
 */

import { check } from '../base/check'
import { address, word } from '../base/record'
import { addMoments, addMoments4, startMoments } from '../norm/norm'
import { ConvWord } from '../opcodes'
import { listScratch, listsOfRows, POINTERS, stepsOf } from './lists'

/**
 * sum[32] = Σ over the entries k of a list of rows[k][32], written. rows float32 [KRows][32]; list
 * … end: an even number of u16. This and its narrower siblings are the hot loops: each a function
 * of its own, one loop and no remainder, or V8 spills the sums.
 */
export function sumRows32(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  for (; list < end; list += 4) {
    const a = rows + ((<usize>load<u16>(list)) << 7)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    s2 = f32x4.add(s2, v128.load(a, 32))
    s3 = f32x4.add(s3, v128.load(a, 48))
    s4 = f32x4.add(s4, v128.load(a, 64))
    s5 = f32x4.add(s5, v128.load(a, 80))
    s6 = f32x4.add(s6, v128.load(a, 96))
    s7 = f32x4.add(s7, v128.load(a, 112))
    const b = rows + ((<usize>load<u16>(list, 2)) << 7)
    s0 = f32x4.add(s0, v128.load(b))
    s1 = f32x4.add(s1, v128.load(b, 16))
    s2 = f32x4.add(s2, v128.load(b, 32))
    s3 = f32x4.add(s3, v128.load(b, 48))
    s4 = f32x4.add(s4, v128.load(b, 64))
    s5 = f32x4.add(s5, v128.load(b, 80))
    s6 = f32x4.add(s6, v128.load(b, 96))
    s7 = f32x4.add(s7, v128.load(b, 112))
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
  v128.store(sum, s4, 64)
  v128.store(sum, s5, 80)
  v128.store(sum, s6, 96)
  v128.store(sum, s7, 112)
}

/**
 * The same for blocks of 16. Eight sums would hide the latency of the additions better, but V8 then
 * moves all loads ahead of them and spills one.
 */
export function sumRows16(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; list < end; list += 4) {
    const a = rows + ((<usize>load<u16>(list)) << 6)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    s2 = f32x4.add(s2, v128.load(a, 32))
    s3 = f32x4.add(s3, v128.load(a, 48))
    const b = rows + ((<usize>load<u16>(list, 2)) << 6)
    s0 = f32x4.add(s0, v128.load(b))
    s1 = f32x4.add(s1, v128.load(b, 16))
    s2 = f32x4.add(s2, v128.load(b, 32))
    s3 = f32x4.add(s3, v128.load(b, 48))
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
}

/**
 * The same for blocks of 8. Even and odd entries have sums of their own, to hide the latency of the
 * additions; so below.
 */
export function sumRows8(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let r0 = s0
  let r1 = s0
  for (; list < end; list += 4) {
    const a = rows + ((<usize>load<u16>(list)) << 5)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    const b = rows + ((<usize>load<u16>(list, 2)) << 5)
    r0 = f32x4.add(r0, v128.load(b))
    r1 = f32x4.add(r1, v128.load(b, 16))
  }
  v128.store(sum, f32x4.add(s0, r0))
  v128.store(sum, f32x4.add(s1, r1), 16)
}

/** The same for blocks of 4. */
export function sumRows4(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let r0 = s0
  for (; list < end; list += 4) {
    s0 = f32x4.add(s0, v128.load(rows + ((<usize>load<u16>(list)) << 4)))
    r0 = f32x4.add(r0, v128.load(rows + ((<usize>load<u16>(list, 2)) << 4)))
  }
  v128.store(sum, f32x4.add(s0, r0))
}

/** The factor of a weighted entry in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_u(v128.load32_splat(entry), 16))
}

/** s + factor·row. */
// @ts-ignore: decorator
@inline
function addTimes(s: v128, factor: v128, row: v128): v128 {
  return f32x4.add(s, f32x4.mul(factor, row))
}

/**
 * sum[32] = Σ over the entries (k, n) of a weighted list of n·rows[k][32], written; otherwise as
 * `sumRows32`.
 */
export function sumTimes32(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let s4 = s0
  let s5 = s0
  let s6 = s0
  let s7 = s0
  for (; list < end; list += 8) {
    const a = rows + ((<usize>load<u16>(list)) << 7)
    const n = factorOf(list)
    s0 = addTimes(s0, n, v128.load(a))
    s1 = addTimes(s1, n, v128.load(a, 16))
    s2 = addTimes(s2, n, v128.load(a, 32))
    s3 = addTimes(s3, n, v128.load(a, 48))
    s4 = addTimes(s4, n, v128.load(a, 64))
    s5 = addTimes(s5, n, v128.load(a, 80))
    s6 = addTimes(s6, n, v128.load(a, 96))
    s7 = addTimes(s7, n, v128.load(a, 112))
    const b = rows + ((<usize>load<u16>(list, 4)) << 7)
    const m = factorOf(list + 4)
    s0 = addTimes(s0, m, v128.load(b))
    s1 = addTimes(s1, m, v128.load(b, 16))
    s2 = addTimes(s2, m, v128.load(b, 32))
    s3 = addTimes(s3, m, v128.load(b, 48))
    s4 = addTimes(s4, m, v128.load(b, 64))
    s5 = addTimes(s5, m, v128.load(b, 80))
    s6 = addTimes(s6, m, v128.load(b, 96))
    s7 = addTimes(s7, m, v128.load(b, 112))
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
  v128.store(sum, s4, 64)
  v128.store(sum, s5, 80)
  v128.store(sum, s6, 96)
  v128.store(sum, s7, 112)
}

/** The same for blocks of 16. */
export function sumTimes16(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; list < end; list += 8) {
    const a = rows + ((<usize>load<u16>(list)) << 6)
    const n = factorOf(list)
    s0 = addTimes(s0, n, v128.load(a))
    s1 = addTimes(s1, n, v128.load(a, 16))
    s2 = addTimes(s2, n, v128.load(a, 32))
    s3 = addTimes(s3, n, v128.load(a, 48))
    const b = rows + ((<usize>load<u16>(list, 4)) << 6)
    const m = factorOf(list + 4)
    s0 = addTimes(s0, m, v128.load(b))
    s1 = addTimes(s1, m, v128.load(b, 16))
    s2 = addTimes(s2, m, v128.load(b, 32))
    s3 = addTimes(s3, m, v128.load(b, 48))
  }
  v128.store(sum, s0)
  v128.store(sum, s1, 16)
  v128.store(sum, s2, 32)
  v128.store(sum, s3, 48)
}

/** The same for blocks of 8. */
export function sumTimes8(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let r0 = s0
  let r1 = s0
  for (; list < end; list += 8) {
    const a = rows + ((<usize>load<u16>(list)) << 5)
    const n = factorOf(list)
    s0 = addTimes(s0, n, v128.load(a))
    s1 = addTimes(s1, n, v128.load(a, 16))
    const b = rows + ((<usize>load<u16>(list, 4)) << 5)
    const m = factorOf(list + 4)
    r0 = addTimes(r0, m, v128.load(b))
    r1 = addTimes(r1, m, v128.load(b, 16))
  }
  v128.store(sum, f32x4.add(s0, r0))
  v128.store(sum, f32x4.add(s1, r1), 16)
}

/** The same for blocks of 4. */
export function sumTimes4(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let r0 = s0
  for (; list < end; list += 8) {
    s0 = addTimes(s0, factorOf(list), v128.load(rows + ((<usize>load<u16>(list)) << 4)))
    r0 = addTimes(r0, factorOf(list + 4), v128.load(rows + ((<usize>load<u16>(list, 4)) << 4)))
  }
  v128.store(sum, f32x4.add(s0, r0))
}

/**
 * sums[p] = sum of the rows in list p, for `blocks` blocks of output channels whose rows lie
 * blockBytes apart and whose sums setBytes apart; written. sums float32 [16][width]. Block beside
 * block, since the processor then foresees how long the second loop over the same list is.
 */
// @ts-ignore: decorator
@inline
function sumLists(
  sums: usize,
  setBytes: usize,
  rows: usize,
  blockBytes: usize,
  blocks: i32,
  width: i32,
  weighted: bool,
  pointers: usize,
  p: i32,
): void {
  let left = blocks
  do {
    sumList(sums, rows, width, weighted, pointers, p)
    sums += setBytes
    rows += blockBytes
  } while (--left)
}

/** sums[p] = sum of the rows in list p, one list, written. sums float32 [16][width]. */
// @ts-ignore: decorator
@inline
function sumList(
  sums: usize,
  rows: usize,
  width: i32,
  weighted: bool,
  pointers: usize,
  p: i32,
): void {
  const sum = sums + <usize>((p * width) << 2)
  const list = <usize>load<u32>(pointers + ((<usize>p) << 2) - 4)
  const end = <usize>load<u32>(pointers + ((<usize>p) << 2))
  if (weighted) {
    if (width == 32) sumTimes32(sum, rows, list, end)
    else if (width == 16) sumTimes16(sum, rows, list, end)
    else if (width == 8) sumTimes8(sum, rows, list, end)
    else sumTimes4(sum, rows, list, end)
  } else if (width == 32) sumRows32(sum, rows, list, end)
  else if (width == 16) sumRows16(sum, rows, list, end)
  else if (width == 8) sumRows8(sum, rows, list, end)
  else sumRows4(sum, rows, list, end)
}

// @ts-ignore: decorator
@inline
function affine(x: v128, scale: v128, bias: v128): v128 {
  return f32x4.add(f32x4.mul(x, scale), bias)
}

// @ts-ignore: decorator
@inline
function sum4(a: v128, b: v128, c: v128, d: v128): v128 {
  return f32x4.add(f32x4.add(a, b), f32x4.add(c, d))
}

/**
 * out[t] = scale · Σ over the patterns p with bit t of sums[p] + bias for the 4 steps of a whole
 * group, written. out: 4 rows of `bytes`, outStep apart; sums float32 [16][bytes / 4]; bias float32
 * [bytes / 4]. No aliasing.
 */
export function combine15(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const end = sums + bytes
  const factor = f32x4.splat(scale)
  for (; sums < end; sums += 16) {
    let p = sums
    const s1 = v128.load((p += bytes))
    const s2 = v128.load((p += bytes))
    const s3 = v128.load((p += bytes))
    const s4 = v128.load((p += bytes))
    const s5 = v128.load((p += bytes))
    const s6 = v128.load((p += bytes))
    const s7 = v128.load((p += bytes))
    const s8 = v128.load((p += bytes))
    const s9 = v128.load((p += bytes))
    const s10 = v128.load((p += bytes))
    const s11 = v128.load((p += bytes))
    const s12 = v128.load((p += bytes))
    const s13 = v128.load((p += bytes))
    const s14 = v128.load((p += bytes))
    const s15 = v128.load((p += bytes))
    // Sums over the other two steps: of a step alone, and of both steps of a pair.
    const low = sum4(s3, s7, s11, s15)
    const high = sum4(s12, s13, s14, s15)
    const b = v128.load(bias)
    bias += 16
    let o = out
    out += 16
    v128.store(o, affine(f32x4.add(sum4(s1, s5, s9, s13), low), factor, b))
    v128.store((o += outStep), affine(f32x4.add(sum4(s2, s6, s10, s14), low), factor, b))
    v128.store((o += outStep), affine(f32x4.add(sum4(s4, s5, s6, s7), high), factor, b))
    v128.store((o += outStep), affine(f32x4.add(sum4(s8, s9, s10, s11), high), factor, b))
  }
}

/** The same from the 7 sums of pair lists. */
export function combine7(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
): void {
  const end = sums + bytes
  const factor = f32x4.splat(scale)
  for (; sums < end; sums += 16) {
    const whole = v128.load(sums + 15 * bytes)
    const low = f32x4.add(v128.load(sums + 3 * bytes), whole)
    const high = f32x4.add(v128.load(sums + 12 * bytes), whole)
    const b = v128.load(bias)
    bias += 16
    let o = out
    out += 16
    v128.store(o, affine(f32x4.add(v128.load(sums + bytes), low), factor, b))
    v128.store((o += outStep), affine(f32x4.add(v128.load(sums + 2 * bytes), low), factor, b))
    v128.store((o += outStep), affine(f32x4.add(v128.load(sums + 4 * bytes), high), factor, b))
    v128.store((o += outStep), affine(f32x4.add(v128.load(sums + 8 * bytes), high), factor, b))
  }
}

/**
 * The same for a group of fewer than 4 steps: `steps` is 1, 3 or 7, and also the number of lists,
 * whatever their kind.
 */
export function combineFew(
  out: usize,
  outStep: usize,
  sums: usize,
  bytes: usize,
  scale: f32,
  bias: usize,
  steps: i32,
): void {
  const end = sums + bytes
  const factor = f32x4.splat(scale)
  for (; sums < end; sums += 16) {
    const b = v128.load(bias)
    bias += 16
    let o = out
    out += 16
    for (let bit = 1; bit <= steps; bit += bit) {
      let sum = f32x4.splat(0)
      for (let p = bit; p <= steps; p++)
        if (p & bit) sum = f32x4.add(sum, v128.load(sums + <usize>p * bytes))
      v128.store(o, affine(sum, factor, b))
      o += outStep
    }
  }
}

/**
 * Op.SpikeConv. For the steps t of the group alone
 *   Out[pixel][t][n] = Scale · Σ over patterns p with bit t, over k in list p of Weight[k][n] +
 *   Bias[n] (weighted: factor · Weight[k][n])
 * Out float32 [B·OutH·OutW][T][OutC]: written. Weight float32 [OutC /
 * BlockWidth][KRows][BlockWidth] with a zero row KernelH·KernelW·InC; Bias float32 [OutC] or 0;
 * lists as Op.SpikeLists leaves them. No aliasing. unit = group of BlocksPerUnit blocks·⌈pixels /
 * PixelsPerUnit⌉ + chunk: consecutive units read the same blocks of Weight, which stay in the
 * cache. Moments, where wanted, are written as well: of each slot's pixels at the steps of the
 * group. Scratch: 17·4·BlockWidth·BlocksPerUnit bytes (`spikeConvScratchBytes`).
 *
 *   scratch: BlocksPerUnit × { sums float32 [16][BlockWidth] (row 0 unused) | bias float32
 *   [BlockWidth] }
 */
export function spikeConv(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const pixels = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW)
  const perUnit = word(rec, ConvWord.PixelsPerUnit)
  const chunks = (pixels + perUnit - 1) / perUnit
  const group = unit / chunks
  const first = (unit - group * chunks) * perUnit
  const pointers = address(rec, ConvWord.ListPointers) + <usize>first * POINTERS
  sumPixels(
    rec,
    first,
    min(first + perUnit, pixels),
    group * word(rec, ConvWord.BlocksPerUnit),
    pointers,
    scratch,
  )
}

/**
 * Op.SpikeForward. SpikeLists and SpikeConv in one, for layers whose weights stay in a near cache:
 * unit = RowsPerUnit rows of output pixels, whose lists the worker alone sees. They stay in its
 * cache, and there is no buffer for those of all pixels. Lists and ListPointers are not read.
 * RowsPerUnit·OutW is a multiple of MomentPixels. Scratch: 64·OutW·RowsPerUnit more than
 * ListBytes·OutW·RowsPerUnit and the scratch of both, each rounded up to 64
 * (`spikeForwardScratchBytes`).
 *
 *   scratch: scratch of SpikeLists | of SpikeConv | pointers u32 [pixel][16] | lists
 */
export function spikeForward(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const outW = word(rec, ConvWord.OutW)
  const rows = word(rec, ConvWord.RowsPerUnit)
  const first = unit * rows
  const last = min(first + rows, word(rec, ConvWord.Images) * word(rec, ConvWord.OutH))
  const perUnit = word(rec, ConvWord.BlocksPerUnit)
  const sums = scratch + listScratch(rec)
  const pointers =
    sums + ((17 * (address(rec, ConvWord.BlockWidth) << 2) * <usize>perUnit + 63) & ~(<usize>63))
  listsOfRows(rec, first, last, pointers, pointers + <usize>(rows * outW) * POINTERS, scratch)
  const blocks = word(rec, ConvWord.OutC) / word(rec, ConvWord.BlockWidth)
  for (let block = 0; block < blocks; block += perUnit)
    sumPixels(rec, first * outW, last * outW, block, pointers, sums)
}

/**
 * Out of the pixels first … last − 1 for up to BlocksPerUnit blocks from `block` on, and their
 * moments. pointers u32 [pixel][16] of the first.
 */
function sumPixels(
  rec: usize,
  first: i32,
  last: i32,
  block: i32,
  pointers: usize,
  scratch: usize,
): void {
  const steps = stepsOf(rec)
  const width = word(rec, ConvWord.BlockWidth)
  const bytes = (<usize>width) << 2
  const pixels = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW)
  const blocks = min(word(rec, ConvWord.BlocksPerUnit), word(rec, ConvWord.OutC) / width - block)
  check(steps > 0 && blocks > 0 && (width == 4 || width == 8 || width == 16 || width == 32))

  const blockBytes = <usize>word(rec, ConvWord.KRows) * bytes
  const weight = address(rec, ConvWord.Weight) + <usize>block * blockBytes
  const outStep = address(rec, ConvWord.OutC) << 2
  const outPixel = outStep * address(rec, ConvWord.T)
  const scale = load<f32>(rec + ConvWord.Scale * 4)
  const pairs = word(rec, ConvWord.PairLists) != 0
  const weighted = word(rec, ConvWord.WeightedLists) != 0
  const setBytes: usize = 17 * bytes
  for (let j: usize = 0; j < <usize>blocks; j++) {
    const bias = scratch + j * setBytes + 16 * bytes
    if (address(rec, ConvWord.Bias) != 0)
      memory.copy(bias, address(rec, ConvWord.Bias) + (<usize>block + j) * bytes, bytes)
    else memory.fill(bias, 0, bytes)
  }

  let out =
    address(rec, ConvWord.Out) +
    <usize>first * outPixel +
    <usize>word(rec, ConvWord.Group) * 4 * outStep +
    <usize>block * bytes
  const hasMoments = word(rec, ConvWord.Moments) != 0
  const momentPixels = hasMoments ? word(rec, ConvWord.MomentPixels) : 1
  const momentBytes = outStep * 4
  let moments =
    address(rec, ConvWord.Moments) +
    <usize>(
      (word(rec, ConvWord.Group) * ((pixels + momentPixels - 1) / momentPixels) +
        first / momentPixels)
    ) *
      momentBytes
  moments += <usize>block * bytes
  check(!hasMoments || first % momentPixels == 0)
  const rows = popcnt(steps)
  let leftOfSlot = momentPixels
  for (let pixel = first; pixel < last; pixel++) {
    const silent = load<u32>(pointers) == load<u32>(pointers, 60)
    if (silent) {
      // Nothing to sum: the biases alone.
    } else if (steps < 15) {
      for (let p = 1; p <= steps; p++)
        sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, p)
    } else if (pairs) {
      for (let p = 1; p < 4; p++) {
        sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, p)
        sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, p << 2)
      }
      sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, 15)
    } else {
      for (let p = 1; p < 16; p++)
        sumLists(scratch, setBytes, weight, blockBytes, blocks, width, weighted, pointers, p)
    }
    let sums = scratch
    let o = out
    for (let j = 0; j < blocks; j++) {
      const bias = sums + 16 * bytes
      if (silent) copySteps(o, outStep, bias, bytes, steps)
      else if (steps < 15) combineFew(o, outStep, sums, bytes, scale, bias, steps)
      else if (pairs) combine7(o, outStep, sums, bytes, scale, bias)
      else combine15(o, outStep, sums, bytes, scale, bias)
      if (hasMoments) {
        const m = moments + <usize>j * bytes
        if (leftOfSlot == momentPixels)
          startMoments(m, outStep, o, bytes, min(momentPixels, last - pixel) * rows)
        if (rows == 4) addMoments4(m, outStep, o, bytes)
        else addMoments(m, outStep, o, bytes, rows)
      }
      sums += setBytes
      o += bytes
    }
    if (--leftOfSlot == 0) {
      leftOfSlot = momentPixels
      moments += momentBytes
    }
    pointers += POINTERS
    out += outPixel
  }
}

/** out[step][…] = row, for each of the steps (1, 3, 7 or 15: one to four). */
// @ts-ignore: decorator
@inline
function copySteps(out: usize, outStep: usize, row: usize, bytes: usize, steps: i32): void {
  for (let bit = 1; bit <= steps; bit += bit) {
    memory.copy(out, row, bytes)
    out += outStep
  }
}
