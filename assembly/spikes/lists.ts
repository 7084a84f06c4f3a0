/**
 * Lists of the neurons that fire, for the event-driven convolution (spikes.ts).
 *
 * A neuron's *pattern* is its spikes in a group of 4 steps, one bit a step. For each output pixel
 * and pattern p there is one list of those inputs k = (ky·KernelW + kx)·InC + c of its field that
 * spike at the steps in p. Where few weight rows belong to a field, 15 lists are too short to be
 * worth their loops: `PairLists` asks for 7, the spikes in steps 0–1 (lists 1, 2, 3), those in
 * steps 2–3 (4, 8, 12), and 15 for all four. The rule "list p counts at the steps in p" holds for
 * both.
 *
 * Two kinds of entries:
 *
 *   plain u16 k. Inputs are neurons, or sums of so many that bytes could not count them; a neuron
 *   stands in the list of its pattern. weighted u16 k, u16 n (`WeightedLists`). Inputs are sums of
 *   up to 255 spikes a step, over a pooling window or several sources. What an input sums
 *              to, c_0 … c_3, is taken apart into patterns with factors n: the steps that have
 *              spikes, as often as all of them have, then what is left, until nothing is.
 *              Neighbours fire alike, so that a 2×2 window makes half as many entries as its
 *              neurons.
 */

import { check } from '../base/check'
import { address, word } from '../base/record'
import { ConvWord } from '../opcodes'

/** Bit p: with pair lists, list p is in use. */
const PAIR_PATTERNS: i32 = 0b1001000100011110

/** Patterns of a group and the unused pattern 0: 16 words of 4 bytes in every table of pointers. */
export const POINTERS: usize = 64

// @ts-ignore: decorator
@inline
function clamp(value: i32, low: i32, high: i32): i32 {
  return min(max(value, low), high)
}

/** Spikes that exist in a group, as a pattern: 15, or fewer bits at the end of T. */
// @ts-ignore: decorator
@inline
export function stepsOf(rec: usize): i32 {
  return (1 << min(4, word(rec, ConvWord.T) - 4 * word(rec, ConvWord.Group))) - 1
}

/** Bit i: byte i has a bit in common with `firing`. */
// @ts-ignore: decorator
@inline
function active16(masks: usize, firing: v128): u64 {
  return <u64>(<u32>i8x16.bitmask(i8x16.ne(v128.and(v128.load(masks), firing), i8x16.splat(0))))
}

/** Bit i: neuron i of the next `count` (or 64) has a spike in the group. Reads whole 16 bytes. */
// @ts-ignore: decorator
@inline
function active64(masks: usize, firing: v128, count: i32): u64 {
  let active = active16(masks, firing)
  if (count > 16) active |= active16(masks + 16, firing) << 16
  if (count > 32) active |= active16(masks + 32, firing) << 32
  if (count > 48) active |= active16(masks + 48, firing) << 48
  return count < 64 ? active & (((<u64>1) << count) - 1) : active
}

// @ts-ignore: decorator
@inline
function append(ends: usize, pattern: u32, entry: i32): void {
  const slot = ends + ((<usize>pattern) << 2)
  const end = load<u32>(slot)
  store<u16>(<usize>end, entry)
  store<u32>(slot, end + 2)
}

/**
 * Appends first + c to the list of the pattern of neuron c, for c = 0 … count − 1.
 * ends u32 [16]: in/out, where the list of each pattern ends; masks u8 [count]; pattern = (mask >>
 * shift) & steps, 0 stands in no list.
 */
export function appendPatterns(
  ends: usize,
  masks: usize,
  count: i32,
  shift: i32,
  steps: i32,
  first: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  for (; count > 0; count -= 64) {
    let active = active64(masks, firing, count)
    while (active != 0) {
      const i = <i32>ctz(active)
      active &= active - 1
      append(ends, (load<u8>(masks + <usize>i) >> shift) & steps, first + i)
    }
    masks += 64
    first += 64
  }
}

/**
 * The same for 7 lists: 15, else the parts of the pattern in steps 0–1 and 2–3; ends[0] takes what
 * belongs to an empty part.
 */
export function appendPairs(
  ends: usize,
  masks: usize,
  count: i32,
  shift: i32,
  steps: i32,
  first: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  const waste = load<u32>(ends)
  for (; count > 0; count -= 64) {
    let active = active64(masks, firing, count)
    while (active != 0) {
      const i = <i32>ctz(active)
      active &= active - 1
      const pattern: u32 = (load<u8>(masks + <usize>i) >> shift) & steps
      const whole = pattern == 15
      append(ends, select<u32>(15, pattern & 3, whole), first + i)
      append(ends, select<u32>(0, pattern & 12, whole), first + i)
      store<u32>(ends, waste)
    }
    masks += 64
    first += 64
  }
}

/**
 * counts u8 [4][16] += spikes at each step of a group, of 16 neighbouring channels, over a window
 * of masks. masks: of the first channel and pixel, pixels `channels` and rows `rowBytes` apart.
 */
export function countWindow(
  counts: usize,
  masks: usize,
  rows: i32,
  columns: i32,
  channels: usize,
  rowBytes: usize,
  shift: i32,
  steps: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  const bit0 = i8x16.splat(<i8>((<i32>1) << shift))
  const bit1 = i8x16.splat(<i8>((<i32>2) << shift))
  const bit2 = i8x16.splat(<i8>((<i32>4) << shift))
  const bit3 = i8x16.splat(<i8>((<i32>8) << shift))
  let n0 = v128.load(counts)
  let n1 = v128.load(counts, 16)
  let n2 = v128.load(counts, 32)
  let n3 = v128.load(counts, 48)
  for (; rows; rows--) {
    let pixel = masks
    for (let left = columns; left; left--) {
      const spikes = v128.and(v128.load(pixel), firing)
      n0 = i8x16.sub(n0, i8x16.eq(v128.and(spikes, bit0), bit0))
      n1 = i8x16.sub(n1, i8x16.eq(v128.and(spikes, bit1), bit1))
      n2 = i8x16.sub(n2, i8x16.eq(v128.and(spikes, bit2), bit2))
      n3 = i8x16.sub(n3, i8x16.eq(v128.and(spikes, bit3), bit3))
      pixel += channels
    }
    masks += rowBytes
  }
  v128.store(counts, n0)
  v128.store(counts, n1, 16)
  v128.store(counts, n2, 32)
  v128.store(counts, n3, 48)
}

/**
 * Appends (first + i, factors[i]) to the list whose end stands at `slot`, for the bits i of
 * `active`, of which there is one. factors u8 [16].
 */
export function appendFactors(slot: usize, active: i32, factors: usize, first: i32): void {
  let end = <usize>load<u32>(slot)
  for (; active; active &= active - 1) {
    const i = ctz(active)
    store<u32>(end, ((first + i) & 0xffff) | ((<i32>load<u8>(factors + <usize>i)) << 16))
    end += 4
  }
  store<u32>(slot, <u32>end)
}

/** Bit i: byte i is not zero. */
// @ts-ignore: decorator
@inline
function nonZero(bytes: v128): i32 {
  return i8x16.bitmask(i8x16.ne(bytes, i8x16.splat(0)))
}

// @ts-ignore: decorator
@inline
function appendWhere(
  ends: usize,
  pattern: usize,
  factors: v128,
  valid: i32,
  spare: usize,
  first: i32,
): void {
  const active = nonZero(factors) & valid
  if (active) {
    v128.store(spare, factors)
    appendFactors(ends + (pattern << 2), active, spare, first)
  }
}

/**
 * Appends what the inputs first … first + 15 sum to, for the bits of `valid`, to 7 weighted lists.
 * counts u8 [4][16]: spikes at each step. spare: 16 bytes. An input makes at most 4 entries, in
 * different lists.
 */
export function appendPairCounts(
  ends: usize,
  counts: usize,
  valid: i32,
  spare: usize,
  first: i32,
): void {
  const n0 = v128.load(counts)
  const n1 = v128.load(counts, 16)
  const n2 = v128.load(counts, 32)
  const n3 = v128.load(counts, 48)
  if ((nonZero(v128.or(v128.or(n0, n1), v128.or(n2, n3))) & valid) == 0) return
  let low = i8x16.min_u(n0, n1)
  let high = i8x16.min_u(n2, n3)
  const all = i8x16.min_u(low, high)
  appendWhere(ends, 15, all, valid, spare, first)
  low = i8x16.sub(low, all)
  high = i8x16.sub(high, all)
  appendWhere(ends, 3, low, valid, spare, first)
  appendWhere(ends, 12, high, valid, spare, first)
  low = i8x16.add(low, all)
  high = i8x16.add(high, all)
  appendWhere(ends, 1, i8x16.sub(n0, low), valid, spare, first)
  appendWhere(ends, 2, i8x16.sub(n1, low), valid, spare, first)
  appendWhere(ends, 4, i8x16.sub(n2, high), valid, spare, first)
  appendWhere(ends, 8, i8x16.sub(n3, high), valid, spare, first)
}

/** 1, 2, 4 … in each byte of n that is not zero: the bit of a step. */
// @ts-ignore: decorator
@inline
function bitWhere(n: v128, bit: i8): v128 {
  return v128.andnot(i8x16.splat(bit), i8x16.eq(n, i8x16.splat(0)))
}

/** n − 1, where 0 becomes the largest byte. */
// @ts-ignore: decorator
@inline
function before(n: v128): v128 {
  return i8x16.sub(n, i8x16.splat(1))
}

/** The same for 15 weighted lists: spare: 32 bytes. */
export function appendCounts(
  ends: usize,
  counts: usize,
  valid: i32,
  spare: usize,
  first: i32,
): void {
  let n0 = v128.load(counts)
  let n1 = v128.load(counts, 16)
  let n2 = v128.load(counts, 32)
  let n3 = v128.load(counts, 48)
  for (;;) {
    const patterns = v128.or(
      v128.or(bitWhere(n0, 1), bitWhere(n1, 2)),
      v128.or(bitWhere(n2, 4), bitWhere(n3, 8)),
    )
    let active = nonZero(patterns) & valid
    if (active == 0) return
    // The steps that have spikes, as often as all of them do.
    const factor = i8x16.add(
      i8x16.min_u(i8x16.min_u(before(n0), before(n1)), i8x16.min_u(before(n2), before(n3))),
      i8x16.splat(1),
    )
    n0 = i8x16.sub_sat_u(n0, factor)
    n1 = i8x16.sub_sat_u(n1, factor)
    n2 = i8x16.sub_sat_u(n2, factor)
    n3 = i8x16.sub_sat_u(n3, factor)
    v128.store(spare, patterns)
    v128.store(spare, factor, 16)
    for (; active; active &= active - 1) {
      const at = spare + <usize>ctz(active)
      const slot = ends + ((<usize>load<u8>(at)) << 2)
      const end = load<u32>(slot)
      store<u32>(<usize>end, ((first + ctz(active)) & 0xffff) | ((<i32>load<u8>(at, 16)) << 16))
      store<u32>(slot, end + 4)
    }
  }
}

/** Bytes of one entry. */
// @ts-ignore: decorator
@inline
function entryBytes(rec: usize): usize {
  return word(rec, ConvWord.WeightedLists) != 0 ? 4 : 2
}

/**
 * Where the lists of one virtual row lie: starts u32 [InW + 1][16], then 15 lists of `capacity`
 * bytes.
 */
// @ts-ignore: decorator
@inline
function rowCapacity(rec: usize): usize {
  const weighted = word(rec, ConvWord.WeightedLists) != 0
  const perInput = weighted
    ? 1
    : word(rec, ConvWord.SourceCount) *
      word(rec, ConvWord.PoolKernelH) *
      word(rec, ConvWord.PoolKernelW)
  const entries = <usize>(word(rec, ConvWord.InW) * word(rec, ConvWord.InC) * perInput)
  return (entries * entryBytes(rec) + 32 + 63) & ~(<usize>63)
}

// @ts-ignore: decorator
@inline
function rowBytes(rec: usize): usize {
  return <usize>(word(rec, ConvWord.InW) + 1) * POINTERS + 15 * rowCapacity(rec)
}

/**
 * Lists of one row of the virtual input (after pooling), k = x·InC + c mod 2^16, in the order of x.
 * row: written, starts u32 [InW + 1][16] (of pattern p in pixel x at [x][p]; pixel x ends where x +
 * 1 starts), then the 15 lists. ends u32 [16]: scratch, and 128 bytes behind it: waste, or counts
 * u8 [4][16] | 32 bytes.
 */
function listRow(rec: usize, image: i32, y: i32, row: usize, ends: usize): void {
  const width = word(rec, ConvWord.InW)
  const channels = word(rec, ConvWord.InC)
  const group = word(rec, ConvWord.Group)
  const plane = <usize>(group >> 1) * address(rec, ConvWord.PlaneBytes)
  const shift = (group & 1) << 2
  const steps = stepsOf(rec)
  const pairs = word(rec, ConvWord.PairLists) != 0
  const weighted = word(rec, ConvWord.WeightedLists) != 0
  const sources = address(rec, ConvWord.Sources)
  const sourcesEnd = sources + ((<usize>word(rec, ConvWord.SourceCount)) << 3)
  const sourceH = word(rec, ConvWord.SourceH)
  const sourceW = word(rec, ConvWord.SourceW)
  const firstY = y * word(rec, ConvWord.PoolStrideH) - word(rec, ConvWord.PoolPadH)
  const fromY = max(firstY, 0)
  const toY = min(firstY + word(rec, ConvWord.PoolKernelH), sourceH)
  const poolW = word(rec, ConvWord.PoolKernelW)
  const strideW = word(rec, ConvWord.PoolStrideW)
  const padW = word(rec, ConvWord.PoolPadW)
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
      if (toY <= fromY || toX <= fromX) continue
      const pixel = plane + <usize>(((image * sourceH + fromY) * sourceW + fromX) * channels)
      const counts = ends + POINTERS
      for (let c = 0; c < channels; c += 16) {
        v128.store(counts, i8x16.splat(0))
        v128.store(counts, i8x16.splat(0), 16)
        v128.store(counts, i8x16.splat(0), 32)
        v128.store(counts, i8x16.splat(0), 48)
        for (let source = sources; source < sourcesEnd; source += 8) {
          const masks = <usize>load<u32>(source) + pixel + <usize>c
          countWindow(
            counts,
            masks,
            toY - fromY,
            toX - fromX,
            channels,
            <usize>(sourceW * channels),
            shift,
            steps,
          )
        }
        const valid = (1 << min(16, channels - c)) - 1
        if (pairs) appendPairCounts(ends, counts, valid, counts + 64, x * channels + c)
        else appendCounts(ends, counts, valid, counts + 64, x * channels + c)
      }
      continue
    }
    for (let source = sources; source < sourcesEnd; source += 8) {
      for (let sy = fromY; sy < toY; sy++) {
        let masks =
          <usize>load<u32>(source) +
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

// @ts-ignore: decorator
@inline
function copyPointers(to: usize, from: usize): void {
  v128.store(to, v128.load(from))
  v128.store(to, v128.load(from, 16), 16)
  v128.store(to, v128.load(from, 32), 32)
  v128.store(to, v128.load(from, 48), 48)
}

/**
 * Lists of one output pixel: for each pattern the entries of KernelW pixels in each row of the
 * field, one row after the other. pointers u32 [16] and lists: written. rows u32 [rowCount]:
 * addresses of the rows of the field, a row's starts are [InW + 1][16]. used: bit p set for the
 * lists to join, the others are empty. fromX, toX: pixels of the row inside the field. offset +
 * i·rowStep: what turns k of an entry of row i into the field's, mod 2^16. zeroRow: k of a padding
 * entry. lists: a multiple of two entries. Writes up to 32 bytes behind the last list, and reads as
 * many behind a piece. Returns the end of the last list.
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
 * Op.SpikeLists. For each output pixel of the unit's rows (row = image·OutH + oy) and each pattern
 * p of a group of up to 4 steps
 *   list p = { k = (ky·KernelW + kx)·InC + c : the input there has pattern p }
 * with multiplicity (plain) or a factor (weighted), and padded to an even number of entries by the
 * zero row k = KernelH·KernelW·InC. Lists: written, those of a unit's pixels one behind the other,
 * with room for ListBytes a pixel; ListPointers u32 [output pixel][16]: written. Masks u8
 * [plane][B][SourceH][SourceW][InC]. Reads up to 12 bytes behind a mask tensor when InC is no
 * multiple of 16; they count for nothing. Scratch: 192 + 64·⌈KernelH / 16⌉ + KernelH·(64·(InW + 1)
 * + 15·L) bytes, with L = 64·⌈(InW·InC·e + 32) / 64⌉ bytes of a list and e bytes of the entries
 * that one input can have in it: 2·SourceCount·PoolKernelH·PoolKernelW, or 4 in weighted lists
 * (`spikeListsScratchBytes`).
 *
 *   scratch: ends u32 [16] | counts u8 [4][16], factors [2][16] | rows of the field u32 [KernelH] |
 *   ring of KernelH virtual rows, row y in slot y mod KernelH
 */
export function spikeLists(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const outW = word(rec, ConvWord.OutW)
  const first = unit * word(rec, ConvWord.RowsPerUnit)
  const last = min(
    first + word(rec, ConvWord.RowsPerUnit),
    word(rec, ConvWord.Images) * word(rec, ConvWord.OutH),
  )
  const pointers = address(rec, ConvWord.ListPointers) + <usize>(first * outW) * POINTERS
  const lists =
    address(rec, ConvWord.Lists) + <usize>(first * outW) * address(rec, ConvWord.ListBytes)
  listsOfRows(rec, first, last, pointers, lists, scratch)
}

/** Bytes of scratch that `listsOfRows` needs, a multiple of 64. */
export function listScratch(rec: usize): usize {
  const kernelH = address(rec, ConvWord.KernelH)
  return 3 * POINTERS + (((kernelH << 2) + 63) & ~(<usize>63)) + kernelH * rowBytes(rec)
}

/**
 * Lists of the rows first … last − 1 of output pixels: their lists, one behind the other, and their
 * pointers [pixel][16].
 */
export function listsOfRows(
  rec: usize,
  first: i32,
  last: i32,
  pointers: usize,
  lists: usize,
  scratch: usize,
): void {
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const inH = word(rec, ConvWord.InH)
  const inW = word(rec, ConvWord.InW)
  const channels = word(rec, ConvWord.InC)
  const kernelH = word(rec, ConvWord.KernelH)
  const kernelW = word(rec, ConvWord.KernelW)
  const strideH = word(rec, ConvWord.StrideH)
  const strideW = word(rec, ConvWord.StrideW)
  const padH = word(rec, ConvWord.PadH)
  const padW = word(rec, ConvWord.PadW)
  const listBytes = address(rec, ConvWord.ListBytes)
  const steps = stepsOf(rec)
  const used = ((2 << steps) - 1) & (word(rec, ConvWord.PairLists) != 0 ? PAIR_PATTERNS : -2)
  const zeroRow = kernelH * kernelW * channels
  const rowStep = kernelW * channels
  check(steps > 0 && (channels & 3) == 0 && zeroRow < 65535)

  const weighted = word(rec, ConvWord.WeightedLists) != 0
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
    for (let ox = 0; ox < outW; ox++) {
      const left = ox * strideW - padW
      const offset = (fromY - top) * rowStep - left * channels
      const fromX = clamp(left, 0, inW)
      const toX = clamp(left + kernelW, 0, inW)
      const end = joinRows(
        pointers,
        lists,
        fieldRows,
        toY - fromY,
        used,
        fromX,
        toX,
        offset,
        rowStep,
        zeroRow,
        weighted,
      )
      check(end + 32 <= lists + listBytes)
      pointers += POINTERS
      lists = end
    }
  }
}
