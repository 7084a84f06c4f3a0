/**
 * Event-driven forward convolution: additions of weight rows for the neurons that fire, and no multiplication inside.
 *
 * A neuron's *pattern* is its spikes in a group of 4 steps, one bit a step. Neurons of one pattern add the same weights to the same
 * steps, so their rows are summed once and the sum is added to each of those steps. Two operations:
 *
 *   spikeLists   masks of the receptive fields → for each output pixel and pattern the list of active k = (ky·KernelW + kx)·InC + c
 *   spikeConv    for each output pixel, block of channels and pattern the sum of the rows k of Weight; the sums combined into Out
 *
 * Where few weight rows belong to a field, 15 lists are too short to be worth their loops. `PairLists` then asks for 7: a pattern
 * other than 15 is split into its spikes in steps 0–1 and those in steps 2–3, and the neuron stands in the lists of both parts. The rule
 * "list p counts at the steps in p" holds for both kinds of lists.
 */
import { address, word } from './record'
import { check } from './check'
import { ConvWord } from './opcodes'

/** Word of the record: non-zero asks for 7 lists. */


/** Bit p: with pair lists, list p is in use: 1, 2, 3 for steps 0–1, 4, 8, 12 for steps 2–3, and 15. */
const PAIR_PATTERNS: i32 = 0b1001000100011110

/** Patterns of a group and the unused pattern 0: 16 words of 4 bytes in every table of pointers. */
const POINTERS: usize = 64

// @ts-ignore: decorator
@inline
function clamp(value: i32, low: i32, high: i32): i32 {
  return min(max(value, low), high)
}

/** Spikes that exist in a group, as a pattern: 15, or fewer bits at the end of T. */
// @ts-ignore: decorator
@inline
function stepsOf(rec: usize): i32 {
  return (1 << min(4, word(rec, ConvWord.T) - 4 * word(rec, ConvWord.Group))) - 1
}

// ---------------------------------------------------------------------------------------------------------------------------- lists

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
  const slot = ends + (<usize>pattern << 2)
  const end = load<u32>(slot)
  store<u16>(<usize>end, entry)
  store<u32>(slot, end + 2)
}

/**
 * Appends first + c to the list of the pattern of neuron c, for c = 0 … count − 1.
 * ends u32 [16]: in/out, where the list of each pattern ends; masks u8 [count]; pattern = (mask >> shift) & steps, 0 stands in no list.
 */
export function appendPatterns(ends: usize, masks: usize, count: i32, shift: i32, steps: i32, first: i32): void {
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

/** The same for 7 lists: 15, else the parts of the pattern in steps 0–1 and 2–3; ends[0] takes what belongs to an empty part. */
export function appendPairs(ends: usize, masks: usize, count: i32, shift: i32, steps: i32, first: i32): void {
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

/** Where the lists of one virtual row lie: starts u32 [InW + 1][16], then 15 lists of `capacity` bytes. */
// @ts-ignore: decorator
@inline
function rowCapacity(rec: usize): usize {
  const perNeuron = word(rec, ConvWord.SourceCount) * word(rec, ConvWord.PoolKernelH) * word(rec, ConvWord.PoolKernelW)
  const entries = <usize>(word(rec, ConvWord.InW) * word(rec, ConvWord.InC) * perNeuron)
  return (entries * 2 + 16 + 63) & ~(<usize>63)
}

// @ts-ignore: decorator
@inline
function rowBytes(rec: usize): usize {
  return <usize>(word(rec, ConvWord.InW) + 1) * POINTERS + 15 * rowCapacity(rec)
}

/**
 * Lists of one row of the virtual input, entry = x·InC + c mod 2^16, in the order of x.
 * row: written, starts u32 [InW + 1][16] (of pattern p in pixel x at [x][p]; pixel x ends where x + 1 starts), then the 15 lists.
 * ends u32 [16]: scratch, and 2 bytes behind it for waste.
 */
function listRow(rec: usize, image: i32, y: i32, row: usize, ends: usize): void {
  const width = word(rec, ConvWord.InW)
  const channels = word(rec, ConvWord.InC)
  const group = word(rec, ConvWord.Group)
  const plane = <usize>(group >> 1) * address(rec, ConvWord.PlaneBytes)
  const shift = (group & 1) << 2
  const steps = stepsOf(rec)
  const pairs = word(rec, ConvWord.PairLists) != 0
  const sources = address(rec, ConvWord.Sources)
  const sourcesEnd = sources + (<usize>word(rec, ConvWord.SourceCount) << 3)
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
    for (let source = sources; source < sourcesEnd; source += 8) {
      for (let sy = fromY; sy < toY; sy++) {
        let masks = <usize>load<u32>(source) + plane + <usize>(((image * sourceH + sy) * sourceW + fromX) * channels)
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
 * Lists of one output pixel: for each pattern the entries of KernelW pixels in each row of the field, one row after the other.
 * pointers u32 [16] and lists: written. rows u32 [rowCount]: addresses of the rows of the field, a row's starts are [InW + 1][16].
 * used: bit p set for the lists to join, the others are empty. fromX, toX: pixels of the row inside the field.
 * offset + i·rowStep: what turns an entry of row i into its k, mod 2^16. zeroRow: k of a padding entry.
 * Writes up to 16 bytes behind the last list. Returns the end of the last list.
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
): usize {
  const rowsEnd = rows + (<usize>rowCount << 2)
  const from = <usize>fromX * POINTERS
  const to = <usize>toX * POINTERS
  let out = lists
  for (let p = 1; p < 16; p++) {
    store<u32>(pointers, <u32>out)
    pointers += 4
    if (((used >> p) & 1) == 0) continue
    let shift = offset
    for (let row = rows; row < rowsEnd; row += 4) {
      const starts = <usize>load<u32>(row) + (<usize>p << 2)
      let entry = <usize>load<u32>(starts + from)
      const bytes = <usize>load<u32>(starts + to) - entry
      const end = out + bytes
      const add = i16x8.splat(<i16>shift)
      // Most pieces have at most 8 entries: the first copy needs no test, and what it copies too much is overwritten by the next piece.
      do {
        v128.store(out, i16x8.add(v128.load(entry), add))
        entry += 16
        out += 16
      } while (out < end)
      out = end
      shift += rowStep
    }
    store<u16>(out, zeroRow)
    out += out & 2
  }
  store<u32>(pointers, <u32>out)
  return out
}

/**
 * Op.SpikeLists. For each output pixel of the unit's rows (row = image·OutH + oy) and each pattern p of a group of up to 4 steps
 *   list p = { k = (ky·KernelW + kx)·InC + c : the input neuron there has pattern p }
 * with multiplicity, and padded to an even number of entries by the zero row k = KernelH·KernelW·InC. With PairLists: see above.
 * Lists u16 [output pixel][ListBytes / 2] and ListPointers u32 [output pixel][16]: written. Masks u8 [plane][B][SourceH][SourceW][InC].
 * Reads up to 12 bytes behind a mask tensor when InC is no multiple of 16; they count for nothing.
 * Scratch: 128 + 64·⌈KernelH / 16⌉ + KernelH·(64·(InW + 1) + 15·L) bytes, with the bytes of a list
 * L = 64·⌈(2·InW·InC·SourceCount·PoolKernelH·PoolKernelW + 16) / 64⌉ (`spikeListsScratchBytes`).
 *
 *   scratch: ends u32 [16], waste | rows of the field u32 [KernelH] | ring of KernelH virtual rows, row y in slot y mod KernelH
 */
export function spikeLists(rec: usize, unit: i32, t: i32, scratch: usize): void {
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

  const fieldRows = scratch + 2 * POINTERS
  const ring = fieldRows + ((<usize>(kernelH << 2) + 63) & ~(<usize>63))
  const ringBytes = rowBytes(rec)

  const first = unit * word(rec, ConvWord.RowsPerUnit)
  const last = min(first + word(rec, ConvWord.RowsPerUnit), word(rec, ConvWord.Images) * outH)
  let pointers = address(rec, ConvWord.ListPointers) + <usize>(first * outW) * POINTERS
  let lists = address(rec, ConvWord.Lists) + <usize>(first * outW) * listBytes
  // Rows below `built` of this image are in the ring, as far as they are still needed.
  let built = 0
  for (let row = first; row < last; row++) {
    const image = row / outH
    const oy = row - image * outH
    const top = oy * strideH - padH
    const fromY = clamp(top, 0, inH)
    const toY = clamp(top + kernelH, 0, inH)
    if (row == first || oy == 0) built = 0
    for (let y = max(built, fromY); y < toY; y++) listRow(rec, image, y, ring + <usize>(y % kernelH) * ringBytes, scratch)
    built = max(built, toY)
    for (let y = fromY; y < toY; y++) {
      store<u32>(fieldRows + (<usize>(y - fromY) << 2), <u32>(ring + <usize>(y % kernelH) * ringBytes))
    }
    for (let ox = 0; ox < outW; ox++) {
      const left = ox * strideW - padW
      const offset = (fromY - top) * rowStep - left * channels
      const fromX = clamp(left, 0, inW)
      const toX = clamp(left + kernelW, 0, inW)
      const end = joinRows(pointers, lists, fieldRows, toY - fromY, used, fromX, toX, offset, rowStep, zeroRow)
      check(end + 16 <= lists + listBytes)
      pointers += POINTERS
      lists += listBytes
    }
  }
}

// ---------------------------------------------------------------------------------------------------------------------- convolution

/**
 * sum[32] = Σ over the entries k of a list of rows[k][32], written. rows float32 [KRows][32]; list … end: an even number of u16.
 * This and its narrower siblings are the hot loops: each a function of its own, one loop and no remainder, or V8 spills the sums.
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
    const a = rows + (<usize>load<u16>(list) << 7)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    s2 = f32x4.add(s2, v128.load(a, 32))
    s3 = f32x4.add(s3, v128.load(a, 48))
    s4 = f32x4.add(s4, v128.load(a, 64))
    s5 = f32x4.add(s5, v128.load(a, 80))
    s6 = f32x4.add(s6, v128.load(a, 96))
    s7 = f32x4.add(s7, v128.load(a, 112))
    const b = rows + (<usize>load<u16>(list, 2) << 7)
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

/** The same for blocks of 16. Even and odd entries have sums of their own, to hide the latency of the additions; so below. */
export function sumRows16(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  let r0 = s0
  let r1 = s0
  let r2 = s0
  let r3 = s0
  for (; list < end; list += 4) {
    const a = rows + (<usize>load<u16>(list) << 6)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    s2 = f32x4.add(s2, v128.load(a, 32))
    s3 = f32x4.add(s3, v128.load(a, 48))
    const b = rows + (<usize>load<u16>(list, 2) << 6)
    r0 = f32x4.add(r0, v128.load(b))
    r1 = f32x4.add(r1, v128.load(b, 16))
    r2 = f32x4.add(r2, v128.load(b, 32))
    r3 = f32x4.add(r3, v128.load(b, 48))
  }
  v128.store(sum, f32x4.add(s0, r0))
  v128.store(sum, f32x4.add(s1, r1), 16)
  v128.store(sum, f32x4.add(s2, r2), 32)
  v128.store(sum, f32x4.add(s3, r3), 48)
}

/** The same for blocks of 8. */
export function sumRows8(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = f32x4.splat(0)
  let s1 = s0
  let r0 = s0
  let r1 = s0
  for (; list < end; list += 4) {
    const a = rows + (<usize>load<u16>(list) << 5)
    s0 = f32x4.add(s0, v128.load(a))
    s1 = f32x4.add(s1, v128.load(a, 16))
    const b = rows + (<usize>load<u16>(list, 2) << 5)
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
    s0 = f32x4.add(s0, v128.load(rows + (<usize>load<u16>(list) << 4)))
    r0 = f32x4.add(r0, v128.load(rows + (<usize>load<u16>(list, 2) << 4)))
  }
  v128.store(sum, f32x4.add(s0, r0))
}

/**
 * sums[p] = sum of the rows in list p, for `blocks` blocks of output channels whose rows lie blockBytes apart and whose sums setBytes apart; written.
 * sums float32 [16][width]. Block beside block, since the processor then foresees how long the second loop over the same list is.
 */
// @ts-ignore: decorator
@inline
function sumLists(sums: usize, setBytes: usize, rows: usize, blockBytes: usize, blocks: i32, width: i32, pointers: usize, p: i32): void {
  let left = blocks
  do {
    sumList(sums, rows, width, pointers, p)
    sums += setBytes
    rows += blockBytes
  } while (--left)
}

/** sums[p] = sum of the rows in list p, one list, written. sums float32 [16][width]. */
// @ts-ignore: decorator
@inline
function sumList(sums: usize, rows: usize, width: i32, pointers: usize, p: i32): void {
  const sum = sums + <usize>(p * width << 2)
  const list = <usize>load<u32>(pointers + (<usize>p << 2) - 4)
  const end = <usize>load<u32>(pointers + (<usize>p << 2))
  if (width == 32) sumRows32(sum, rows, list, end)
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
 * out[t] = scale · Σ over the patterns p with bit t of sums[p] + bias for the 4 steps of a whole group, written.
 * out: 4 rows of `bytes`, outStep apart; sums float32 [16][bytes / 4]; bias float32 [bytes / 4]. No aliasing.
 */
export function combine15(out: usize, outStep: usize, sums: usize, bytes: usize, scale: f32, bias: usize): void {
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
export function combine7(out: usize, outStep: usize, sums: usize, bytes: usize, scale: f32, bias: usize): void {
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

/** The same for a group of fewer than 4 steps: `steps` is 1, 3 or 7, and also the number of lists, whatever their kind. */
export function combineFew(out: usize, outStep: usize, sums: usize, bytes: usize, scale: f32, bias: usize, steps: i32): void {
  const end = sums + bytes
  const factor = f32x4.splat(scale)
  for (; sums < end; sums += 16) {
    const b = v128.load(bias)
    bias += 16
    let o = out
    out += 16
    for (let bit = 1; bit <= steps; bit += bit) {
      let sum = f32x4.splat(0)
      for (let p = bit; p <= steps; p++) if (p & bit) sum = f32x4.add(sum, v128.load(sums + <usize>p * bytes))
      v128.store(o, affine(sum, factor, b))
      o += outStep
    }
  }
}

/**
 * Op.SpikeConv. For the steps t of the group alone
 *   Out[pixel][t][n] = Scale · Σ over patterns p with bit t, over k in list p of Weight[k][n] + Bias[n]
 * Out float32 [B·OutH·OutW][T][OutC]: written. Weight float32 [OutC / BlockWidth][KRows][BlockWidth] with a zero row KernelH·KernelW·InC;
 * Bias float32 [OutC] or 0; lists as Op.SpikeLists leaves them. No aliasing.
 * unit = group of BlocksPerUnit blocks·⌈pixels / PixelsPerUnit⌉ + chunk: consecutive units read the same blocks of Weight, which stay in the cache.
 * Scratch: 17·4·BlockWidth·BlocksPerUnit bytes (`spikeConvScratchBytes`).
 *
 *   scratch: BlocksPerUnit × { sums float32 [16][BlockWidth] (row 0 unused) | bias float32 [BlockWidth] }
 */
export function spikeConv(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const steps = stepsOf(rec)
  const width = word(rec, ConvWord.BlockWidth)
  const bytes = <usize>width << 2
  const pixels = word(rec, ConvWord.Images) * word(rec, ConvWord.OutH) * word(rec, ConvWord.OutW)
  const perUnit = word(rec, ConvWord.PixelsPerUnit)
  const chunks = (pixels + perUnit - 1) / perUnit
  const group = unit / chunks
  const block = group * word(rec, ConvWord.BlocksPerUnit)
  const blocks = min(word(rec, ConvWord.BlocksPerUnit), word(rec, ConvWord.OutC) / width - block)
  const first = (unit - group * chunks) * perUnit
  const last = min(first + perUnit, pixels)
  check(steps > 0 && blocks > 0 && (width == 4 || width == 8 || width == 16 || width == 32))

  const blockBytes = <usize>word(rec, ConvWord.KRows) * bytes
  const rows = address(rec, ConvWord.Weight) + <usize>block * blockBytes
  const outStep = address(rec, ConvWord.OutC) << 2
  const outPixel = outStep * address(rec, ConvWord.T)
  const scale = load<f32>(rec + ConvWord.Scale * 4)
  const pairs = word(rec, ConvWord.PairLists) != 0
  const setBytes: usize = 17 * bytes
  for (let j: usize = 0; j < <usize>blocks; j++) {
    const bias = scratch + j * setBytes + 16 * bytes
    if (address(rec, ConvWord.Bias) != 0) memory.copy(bias, address(rec, ConvWord.Bias) + (<usize>block + j) * bytes, bytes)
    else memory.fill(bias, 0, bytes)
  }

  let pointers = address(rec, ConvWord.ListPointers) + <usize>first * POINTERS
  let out =
    address(rec, ConvWord.Out) + <usize>first * outPixel + <usize>word(rec, ConvWord.Group) * 4 * outStep + <usize>block * bytes
  for (let pixel = first; pixel < last; pixel++) {
    const silent = load<u32>(pointers) == load<u32>(pointers, 60)
    if (silent) {
      // Nothing to sum: the biases alone.
    } else if (steps < 15) {
      for (let p = 1; p <= steps; p++) sumLists(scratch, setBytes, rows, blockBytes, blocks, width, pointers, p)
    } else if (pairs) {
      for (let p = 1; p < 4; p++) {
        sumLists(scratch, setBytes, rows, blockBytes, blocks, width, pointers, p)
        sumLists(scratch, setBytes, rows, blockBytes, blocks, width, pointers, p << 2)
      }
      sumLists(scratch, setBytes, rows, blockBytes, blocks, width, pointers, 15)
    } else {
      for (let p = 1; p < 16; p++) sumLists(scratch, setBytes, rows, blockBytes, blocks, width, pointers, p)
    }
    let sums = scratch
    let o = out
    for (let j = 0; j < blocks; j++) {
      const bias = sums + 16 * bytes
      if (silent) copySteps(o, outStep, bias, bytes, steps)
      else if (steps < 15) combineFew(o, outStep, sums, bytes, scale, bias, steps)
      else if (pairs) combine7(o, outStep, sums, bytes, scale, bias)
      else combine15(o, outStep, sums, bytes, scale, bias)
      sums += setBytes
      o += bytes
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
