/**
 * Lists of the neurons that fire, for the event-driven convolution (forward.ts).
 *
 * The *pattern* of a neuron is its spikes in a group of 4 steps, one bit for each step. For each
 * output pixel and pattern p there is one list. It has those inputs k = (ky·kernelW + kx)·inC + c
 * of the pixel's field that spike at the steps in p. Where a field has few weight rows, 15 lists
 * are too short to be worth their loops. `PairLists` then asks for 7: the spikes in steps 0–1
 * (lists 1, 2, 3), those in steps 2–3 (lists 4, 8, 12), and list 15 for all four steps. In both
 * cases list p counts at the steps in p.
 *
 * There are two kinds of entries:
 *
 *   plain      u16 k. Inputs are neurons, levels of a sum (sorted.ts), or sums of so many that
 *              bytes could not count them. A neuron stands in the list of its pattern.
 *   weighted   u16 k, u16 n (`WeightedLists`). Inputs are sums of up to 255 spikes a step, over a
 *              pooling window or several sources. The sums c_0 … c_3 of an input are taken apart
 *              into patterns with factors n: first all steps that have spikes, as often as all of
 *              them have one, then what is left, and so on. Neighbours fire alike, so a 2×2 window
 *              makes half as many entries as it has neurons.
 */

import { check } from '../base/check'
import { Source, SpikeRecord } from '../generated/records'
import { Spike } from '../opcodes'
import { appendCounts, appendPairCounts, countWindow } from './counts'
import { appendPairs, appendPatterns, stepsOf } from './patterns'

/** Bit p is set when list p is in use with pair lists. */
export const PAIR_PATTERNS: i32 = 0b1001000100011110

/** Bytes of a table of pointers: 16 words, for 15 patterns and the unused pattern 0. */
export const POINTERS: usize = Spike.PointerBytes

// @ts-ignore: decorator
@inline
function clamp(value: i32, low: i32, high: i32): i32 {
  return min(max(value, low), high)
}

/** Bytes of one entry. */
// @ts-ignore: decorator
@inline
function entryBytes(rec: SpikeRecord): usize {
  return rec.weightedLists != 0 ? 4 : 2
}

/** Bytes of one list of a virtual row. A row is starts u32 [inW + 1][16], then 15 lists. */
// @ts-ignore: decorator
@inline
function rowCapacity(rec: SpikeRecord): usize {
  const weighted = rec.weightedLists != 0
  const perInput = weighted ? 1 : rec.sourceCount * rec.poolKernelH * rec.poolKernelW
  const entries = <usize>(rec.inW * rec.inC * perInput)
  return (entries * entryBytes(rec) + 32 + 63) & ~(<usize>63)
}

// @ts-ignore: decorator
@inline
function rowBytes(rec: SpikeRecord): usize {
  return <usize>(rec.inW + 1) * POINTERS + 15 * rowCapacity(rec)
}

/**
 * Lists of one row of the virtual input (after pooling), k = x·inC + c mod 2^16, in the order of
 * x.
 *
 * row, written: starts u32 [inW + 1][16], where [x][p] is the start of pattern p in pixel x (pixel
 * x ends where x + 1 starts), then the 15 lists. ends u32 [16]: scratch, with 128 bytes behind it
 * that take unused entries, or counts u8 [4][16] and 32 bytes.
 */
function listRow(rec: SpikeRecord, image: i32, y: i32, row: usize, ends: usize): void {
  const width = rec.inW
  const channels = rec.inC
  const group = rec.group
  const plane = <usize>(group >> 1) * rec.planeBytes
  const shift = (group & 1) << 2
  const steps = stepsOf(rec)
  const pairs = rec.pairLists != 0
  const weighted = rec.weightedLists != 0
  const sources = rec.sources
  const sourcesEnd = sources + <usize>(rec.sourceCount * offsetof<Source>())
  const sourceH = rec.sourceH
  const sourceW = rec.sourceW
  const firstY = y * rec.poolStrideH - rec.poolPadH
  const fromY = max(firstY, 0)
  const toY = min(firstY + rec.poolKernelH, sourceH)
  const poolW = rec.poolKernelW
  const strideW = rec.poolStrideW
  const padW = rec.poolPadW
  const capacity = rowCapacity(rec)

  let list = row + <usize>(width + 1) * POINTERS
  store<u32>(ends, <u32>(ends + POINTERS))
  for (let p: usize = 1; p < 16; p++) {
    store<u32>(ends + (p << 2), <u32>list)
    list += capacity
  }
  let starts = row
  for (let x = 0; x < width; x++) {
    copyPointers(starts, ends)
    starts += POINTERS
    const firstX = x * strideW - padW
    const fromX = max(firstX, 0)
    const toX = min(firstX + poolW, sourceW)
    if (weighted) {
      const pixel = plane + <usize>(((image * sourceH + fromY) * sourceW + fromX) * channels)
      if (toY > fromY && toX > fromX)
        appendWindow(rec, ends, pixel, toY - fromY, toX - fromX, x * channels)
      continue
    }
    for (let source = sources; source < sourcesEnd; source += offsetof<Source>()) {
      for (let sy = fromY; sy < toY; sy++) {
        let masks =
          changetype<Source>(source).masks +
          plane +
          <usize>(((image * sourceH + sy) * sourceW + fromX) * channels)
        for (let sx = fromX; sx < toX; sx++) {
          if (pairs) appendPairs(ends, masks, channels, shift, steps, x * channels)
          else appendPatterns(ends, masks, channels, shift, steps, x * channels)
          masks += <usize>channels
        }
      }
    }
  }
  copyPointers(starts, ends)
}

/** Entries with factors of one pixel: how often each of its window's inputs has each pattern. */
// @ts-ignore: decorator
@inline
function appendWindow(
  rec: SpikeRecord,
  ends: usize,
  pixel: usize,
  down: i32,
  across: i32,
  first: i32,
): void {
  const channels = rec.inC
  const shift = (rec.group & 1) << 2
  const steps = stepsOf(rec)
  const line = <usize>(rec.sourceW * channels)
  const sources = rec.sources
  const sourcesEnd = sources + <usize>(rec.sourceCount * offsetof<Source>())
  const counts = ends + POINTERS
  for (let c = 0; c < channels; c += 16) {
    for (let i: unroll = 0; i < 4; i++) v128.store(counts, i8x16.splat(0), 16 * i)
    for (let source = sources; source < sourcesEnd; source += offsetof<Source>()) {
      const masks = changetype<Source>(source).masks + pixel + <usize>c
      countWindow(counts, masks, down, across, channels, line, shift, steps)
    }
    const valid = (1 << min(16, channels - c)) - 1
    if (rec.pairLists != 0) appendPairCounts(ends, counts, valid, counts + 64, first + c)
    else appendCounts(ends, counts, valid, counts + 64, first + c)
  }
}

/** to u32 [16] = from. */
// @ts-ignore: decorator
@inline
function copyPointers(to: usize, from: usize): void {
  v128.store(to, v128.load(from))
  v128.store(to, v128.load(from, 16), 16)
  v128.store(to, v128.load(from, 32), 32)
  v128.store(to, v128.load(from, 48), 48)
}

/**
 * Lists of one output pixel. For each pattern they hold the entries of kernelW pixels in each row
 * of the field, one row after the other. Returns the end of the last list.
 *
 *   pointers, lists   u32 [16], and the lists: written; lists is a multiple of two entries
 *   rows              u32 [rowCount]: addresses of the rows of the field; a row begins with its
 *                     starts, [inW + 1][16]
 *   used              bit p is set for the lists to join; the others are empty
 *   fromX, toX        pixels of the row inside the field
 *   offset, rowStep   offset + i·rowStep turns k of an entry of row i into the field's k, mod 2^16
 *   zeroRow           k of a padding entry
 *
 * Up to 32 bytes are written behind the last list, and up to 32 read behind a piece.
 */
export function joinRows(
  pointers: usize,
  lists: usize,
  rows: usize,
  rowCount: i32,
  used: i32,
  fromX: i32,
  toX: i32,
  offset: i32,
  rowStep: i32,
  zeroRow: i32,
  weighted: bool,
): usize {
  const rowsEnd = rows + ((<usize>rowCount) << 2)
  const from = <usize>fromX * POINTERS
  const to = <usize>toX * POINTERS
  let out = lists
  for (let p = 1; p < 16; p++) {
    store<u32>(pointers, <u32>out)
    pointers += 4
    if (((used >> p) & 1) == 0) continue
    let shift = offset
    for (let row = rows; row < rowsEnd; row += 4) {
      const starts = <usize>load<u32>(row) + ((<usize>p) << 2)
      let entry = <usize>load<u32>(starts + from)
      const bytes = <usize>load<u32>(starts + to) - entry
      const end = out + bytes
      const add = weighted ? i32x4.splat(shift & 0xffff) : i16x8.splat(<i16>shift)
      // Most pieces fit in 32 bytes: they need no test, and what is copied too much is overwritten
      // by the next piece.
      v128.store(out, i16x8.add(v128.load(entry), add))
      v128.store(out, i16x8.add(v128.load(entry, 16), add), 16)
      while ((out += 32) < end) {
        entry += 32
        v128.store(out, i16x8.add(v128.load(entry), add))
        v128.store(out, i16x8.add(v128.load(entry, 16), add), 16)
      }
      out = end
      shift += rowStep
    }
    store<u32>(out, zeroRow)
    out += out & (weighted ? 4 : 2)
  }
  store<u32>(pointers, <u32>out)
  return out
}

/**
 * `spikeLists`. For each output pixel of the unit's rows (row = image·outH + oy) and each pattern
 * p of a group of up to 4 steps
 *
 *   list p = { k = (ky·kernelW + kx)·inC + c : the input there has pattern p }
 *
 * with repeated entries (plain) or factors (weighted). A list is padded to an even number of
 * entries by the zero row k = kernelH·kernelW·InC. Lists are written, those of a unit's pixels one
 * after the other, with room for listBytes a pixel; so is listPointers u32 [output pixel][16].
 * Masks are u8 [plane][B][sourceH][sourceW][inC]. When inC is no multiple of 16, up to 12 bytes
 * behind a mask tensor are read; they have no effect. Unit = rowsPerUnit rows.
 *
 * Scratch: 192 + 64·⌈kernelH / 16⌉ + kernelH·(64·(inW + 1) + 15·L) bytes
 * (`spikeListsScratchBytes`), where L = 64·⌈(inW·inC·e + 32) / 64⌉ are the bytes of a list and e
 * those of the entries that one input can have in it: 2·sourceCount·poolKernelH·poolKernelW, or 4
 * in weighted lists:
 *
 *   ends u32 [16] | counts u8 [4][16], factors [2][16] | rows of the field u32 [kernelH] |
 *   ring of kernelH virtual rows, row y in slot y mod kernelH
 */
export function spikeLists(rec: SpikeRecord, unit: i32, t: i32, scratch: usize): void {
  const outW = rec.outW
  const first = unit * rec.rowsPerUnit
  const last = min(first + rec.rowsPerUnit, rec.images * rec.outH)
  const pointers = rec.listPointers + <usize>(first * outW) * POINTERS
  const lists = rec.lists + <usize>(first * outW) * rec.listBytes
  listsOfRows(rec, first, last, pointers, lists, scratch)
}

/** Bytes of scratch that `listsOfRows` needs, a multiple of 64. */
export function listScratch(rec: SpikeRecord): usize {
  const kernelH = <usize>rec.kernelH
  return 3 * POINTERS + (((kernelH << 2) + 63) & ~(<usize>63)) + kernelH * rowBytes(rec)
}

/**
 * Writes the lists of the rows first … last − 1 of output pixels, one after the other, and their
 * pointers [pixel][16].
 */
export function listsOfRows(
  rec: SpikeRecord,
  first: i32,
  last: i32,
  pointers: usize,
  lists: usize,
  scratch: usize,
): void {
  const outH = rec.outH
  const outW = rec.outW
  const inH = rec.inH
  const kernelH = rec.kernelH
  const strideH = rec.strideH
  const padH = rec.padH
  const rowStep = rec.kernelW * rec.inC
  check(stepsOf(rec) > 0 && (rec.inC & 3) == 0 && kernelH * rowStep < 65535)

  const fieldRows = scratch + 3 * POINTERS
  const ring = fieldRows + ((<usize>(kernelH << 2) + 63) & ~(<usize>63))
  const ringBytes = rowBytes(rec)

  // Rows below `built` of this image are in the ring, as far as they are still needed.
  let built = 0
  for (let row = first; row < last; row++) {
    const image = row / outH
    const oy = row - image * outH
    const top = oy * strideH - padH
    const fromY = clamp(top, 0, inH)
    const toY = clamp(top + kernelH, 0, inH)
    if (row == first || oy == 0) built = 0
    for (let y = max(built, fromY); y < toY; y++)
      listRow(rec, image, y, ring + <usize>(y % kernelH) * ringBytes, scratch)
    built = max(built, toY)
    for (let y = fromY; y < toY; y++) {
      store<u32>(
        fieldRows + ((<usize>(y - fromY)) << 2),
        <u32>(ring + <usize>(y % kernelH) * ringBytes),
      )
    }
    lists = joinPixels(rec, pointers, lists, fieldRows, toY - fromY, (fromY - top) * rowStep)
    pointers += <usize>outW * POINTERS
  }
}

/** Lists of one row of output pixels. Returns the end of the last. */
// @ts-ignore: decorator
@inline
function joinPixels(
  rec: SpikeRecord,
  pointers: usize,
  lists: usize,
  rows: usize,
  rowCount: i32,
  firstOffset: i32,
): usize {
  const outW = rec.outW
  const inW = rec.inW
  const channels = rec.inC
  const kernelW = rec.kernelW
  const strideW = rec.strideW
  const padW = rec.padW
  const rowStep = kernelW * channels
  const zero = rec.kernelH * rowStep
  const used = ((2 << stepsOf(rec)) - 1) & (rec.pairLists != 0 ? PAIR_PATTERNS : -2)
  const weighted = rec.weightedLists != 0
  for (let ox = 0; ox < outW; ox++) {
    const left = ox * strideW - padW
    const at = firstOffset - left * channels
    const from = clamp(left, 0, inW)
    const to = clamp(left + kernelW, 0, inW)
    const start = lists
    lists = joinRows(pointers, start, rows, rowCount, used, from, to, at, rowStep, zero, weighted)
    check(lists + 32 <= start + rec.listBytes)
    pointers += POINTERS
  }
  return lists
}
