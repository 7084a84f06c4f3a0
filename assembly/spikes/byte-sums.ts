/**
 * Sums of weight rows of bytes, for blocks of 32, 16, 8 and 4 output channels.
 *
 * A row of W channels is W / 2 words of 16 bits. Word i has two channels:
 *
 *   x = (q[i] + offset) + 256 · q[i + W / 2],     0 ≤ q[i] + offset ≤ 255
 *
 * so that x >> 8 is the second of them, without a look at the first. Sums of x modulo 2^16 and of
 * x >> 8 are Σ q[i] + n · offset + 256 · H and H = Σ q[i + W / 2]: what is over is taken away once,
 * at the end of a list. Up to 6 bits (offset 32) four rows are added as bytes before: no byte of
 * their sum spills into the next.
 */

import { SpikeRecord } from '../generated/records'

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return v128.load_splat<i16>(entry, 2)
}

/** The next list that is used: with pairs of steps 1, 2, 3, 4, 8, 12 and 15. */
// @ts-ignore: decorator
@inline
export function nextPattern(p: i32, pairs: bool): i32 {
  return p + (pairs && p > 3 ? (p == 12 ? 3 : 4) : 1)
}

/** Eight words of a row, the second eight where isSecond; or as many as it has. */
// @ts-ignore: decorator
@inline
function words(W: i32, row: usize, isSecond: bool): v128 {
  if (W <= 4) return v128.load32_zero(row)
  if (W <= 8) return v128.load64_zero(row)
  return isSecond ? v128.load(row, 16) : v128.load(row)
}

/** sum i16 [W] = the halves of a row, of up to two vectors each. */
// @ts-ignore: decorator
@inline
function put(W: i32, sum: usize, low: v128, low1: v128, high: v128, high1: v128): void {
  if (W == 4) v128.store64_lane(sum, i32x4.shuffle(low, high, 0, 4, 0, 4), 0)
  else if (W == 8) v128.store(sum, i64x2.shuffle(low, high, 0, 2))
  else {
    // V8 joins stores of neighbours that have no other between them.
    v128.store(sum, low)
    v128.store(sum, W > 16 ? low1 : high, 16)
    if (W > 16) {
      v128.store(sum, high, 32)
      v128.store(sum, high1, 48)
    }
  }
}

/**
 * sums[p][W] = Σ over the entries k of list p of rows[k][W], for the lists of a pixel and `blocks`
 * blocks of output channels; weighted: over the entries (k, n) of n · rows[k][W].
 *
 *   sums       i16 [16][W], those of the second block setBytes behind them
 *   rows       words [kRows][W / 2] as above, those of the second block blockBytes behind them
 *   pointers   u32 [steps + 1]: where list p begins, at p − 1, and ends, at p; a list is an even
 *              number of u16, weighted any number of pairs, so few that 16 bits hold their sum
 *   pairs      only the lists of pairs of steps are used
 *
 * These are the hot loops. Each kind has a function of its own, so that V8 keeps its sums in
 * registers. The last sum comes first, so that no more rows wait in registers than must: see
 * winograd/products.ts.
 */
// @ts-ignore: decorator
@variants('sumBytesOfTwo', 2, false, [32])
@variants('sumBytes', 1, false, [32, 16, 8, 4])
@variants('sumByteTimes', 1, true, [32, 16, 8, 4])
export function sumWords(
  blocks: i32,
  weighted: bool,
  W: i32,
  sums: usize,
  setBytes: usize,
  rows: usize,
  blockBytes: usize,
  pointers: usize,
  steps: i32,
  pairs: bool,
  offset: i32,
): void {
  const each: unroll = W > 16 ? 2 : 1
  const n: unroll = blocks * each
  for (let p = 1; p <= steps; p = nextPattern(p, pairs)) {
    const low = locals<v128>(n, i16x8.splat(0))
    const high = locals<v128>(n, i16x8.splat(0))
    const from = pointers + ((<usize>p) << 2)
    const end = <usize>load<u32>(from)
    for (let list = <usize>load<u32>(from - 4); list < end; list += 4) {
      const a = rows + <usize>load<u16>(list) * W
      const b = weighted ? a : rows + <usize>load<u16>(list, 2) * W
      const factor = weighted ? factorOf(list) : low[0]
      for (let i: unroll = n - 1; i >= 0; i--) {
        const x = words(W, i < each ? a : a + blockBytes, i % each > 0)
        const y = weighted ? x : words(W, i < each ? b : b + blockBytes, i % each > 0)
        if (weighted) {
          const first = i16x8.sub(v128.and(x, i16x8.splat(255)), i16x8.splat(<i16>offset))
          low[i] = i16x8.add(low[i], i16x8.mul(factor, first))
          high[i] = i16x8.add(high[i], i16x8.mul(factor, i16x8.shr_s(x, 8)))
        } else {
          low[i] = i16x8.add(i16x8.add(low[i], x), y)
          high[i] = i16x8.add(i16x8.add(high[i], i16x8.shr_s(x, 8)), i16x8.shr_s(y, 8))
        }
      }
    }
    const entries = (<i32>end - load<i32>(from - 4)) >> 1
    const over = i16x8.splat(<i16>(entries * offset))
    if (!weighted)
      for (let i: unroll = 0; i < n; i++)
        low[i] = i16x8.sub(i16x8.sub(low[i], i16x8.shl(high[i], 8)), over)
    let sum = sums + <usize>p * (2 * W)
    for (let block: unroll = 0; block < blocks; block++) {
      const first: unroll = block * each
      put(W, sum, low[first], low[first + each - 1], high[first], high[first + each - 1])
      sum += setBytes
    }
  }
}

/** The bytes of two rows, added. */
// @ts-ignore: decorator
@inline
function sumOfTwo(W: i32, a: usize, b: usize, isSecond: bool): v128 {
  return i8x16.add(words(W, a, isSecond), words(W, b, isSecond))
}

/** The same of words of up to 6 bits, whose rows are added as bytes before they widen. */
// @ts-ignore: decorator
@variants('sumFewBitsOfTwo', 2, [32])
@variants('sumFewBits', 1, [32, 16])
export function sumFewWords(
  blocks: i32,
  W: i32,
  sums: usize,
  setBytes: usize,
  rows: usize,
  blockBytes: usize,
  pointers: usize,
  steps: i32,
  pairs: bool,
  offset: i32,
): void {
  const each: unroll = W > 16 ? 2 : 1
  const n: unroll = blocks * each
  for (let p = 1; p <= steps; p = nextPattern(p, pairs)) {
    const low = locals<v128>(n, i16x8.splat(0))
    const high = locals<v128>(n, i16x8.splat(0))
    const row = locals<usize>(4)
    const from = pointers + ((<usize>p) << 2)
    const first = <usize>load<u32>(from - 4)
    const end = <usize>load<u32>(from)
    let list = first
    for (; list + 4 < end; list += 8) {
      for (let r: unroll = 0; r < 4; r++) row[r] = rows + <usize>load<u16>(list, 2 * r) * W
      for (let i: unroll = n - 1; i >= 0; i--) {
        const far: usize = i < each ? 0 : blockBytes
        const x = sumOfTwo(W, row[0] + far, row[1] + far, i % each > 0)
        const all = i8x16.add(x, sumOfTwo(W, row[2] + far, row[3] + far, i % each > 0))
        low[i] = i16x8.add(low[i], all)
        high[i] = i16x8.add(high[i], i16x8.shr_s(all, 8))
      }
    }
    if (list < end) {
      for (let r: unroll = 0; r < 2; r++) row[r] = rows + <usize>load<u16>(list, 2 * r) * W
      for (let i: unroll = n - 1; i >= 0; i--) {
        const far: usize = i < each ? 0 : blockBytes
        const both = sumOfTwo(W, row[0] + far, row[1] + far, i % each > 0)
        low[i] = i16x8.add(low[i], both)
        high[i] = i16x8.add(high[i], i16x8.shr_s(both, 8))
      }
    }
    const over = i16x8.splat(<i16>((<i32>(end - first) >> 1) * offset))
    let sum = sums + <usize>p * (2 * W)
    for (let i: unroll = 0; i < n; i++)
      low[i] = i16x8.sub(i16x8.sub(low[i], i16x8.shl(high[i], 8)), over)
    for (let block: unroll = 0; block < blocks; block++) {
      const at: unroll = block * each
      put(W, sum, low[at], low[at + each - 1], high[at], high[at + each - 1])
      sum += setBytes
    }
  }
}

/** The sums of a pixel's lists for `blocks` blocks from `weight` on, as `sumWords`. */
// @ts-ignore: decorator
@inline
export function sumLists(
  rec: SpikeRecord,
  sums: usize,
  setBytes: usize,
  weight: usize,
  blocks: i32,
  pointers: usize,
  steps: i32,
  pairs: bool,
): void {
  const width = rec.blockWidth
  const next = <usize>(rec.kRows * width)
  const offset = rec.most + 1
  const few = offset <= 32
  const weighted = rec.weightedLists != 0
  if (!weighted && width == 32 && blocks == 2) {
    if (few) sumFewBitsOfTwo32(sums, setBytes, weight, next, pointers, steps, pairs, offset)
    else sumBytesOfTwo32(sums, setBytes, weight, next, pointers, steps, pairs, offset)
    return
  }
  do {
    if (weighted) {
      if (width == 32) sumByteTimes32(sums, 0, weight, 0, pointers, steps, pairs, offset)
      else if (width == 16) sumByteTimes16(sums, 0, weight, 0, pointers, steps, pairs, offset)
      else if (width == 8) sumByteTimes8(sums, 0, weight, 0, pointers, steps, pairs, offset)
      else sumByteTimes4(sums, 0, weight, 0, pointers, steps, pairs, offset)
    } else if (width == 32) {
      if (few) sumFewBits32(sums, 0, weight, 0, pointers, steps, pairs, offset)
      else sumBytes32(sums, 0, weight, 0, pointers, steps, pairs, offset)
    } else if (width == 16) {
      if (few) sumFewBits16(sums, 0, weight, 0, pointers, steps, pairs, offset)
      else sumBytes16(sums, 0, weight, 0, pointers, steps, pairs, offset)
    } else if (width == 8) sumBytes8(sums, 0, weight, 0, pointers, steps, pairs, offset)
    else sumBytes4(sums, 0, weight, 0, pointers, steps, pairs, offset)
    sums += setBytes
    weight += next
  } while (--blocks)
}
