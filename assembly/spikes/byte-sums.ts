/**
 * Sums of weight rows of bytes, for blocks of 32, 16, 8 and 4 output channels.
 *
 * A row of W channels is W / 2 words of 16 bits. Word i has two channels:
 *
 *   x = (q[i] + offset) + 256 · q[i + W / 2],     0 ≤ q[i] + offset ≤ 255
 *
 * so that x >> 8 is the second of them, without a look at the first. Sums of x modulo 2^16 and of
 * x >> 8 are Σ q[i] + n · offset + 256 · H and H = Σ q[i + W / 2]: what is over is taken away once,
 * at the end of a list. Up to 6 bits (offset 32) two rows are added as bytes before: no byte of
 * their sum spills into the next.
 */

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return v128.load_splat<i16>(entry, 2)
}

/** Eight words of a row, the second eight where isSecond; or as many as it has. */
// @ts-ignore: decorator
@inline
function words(W: i32, row: usize, isSecond: bool): v128 {
  if (W <= 4) return v128.load32_zero(row)
  if (W <= 8) return v128.load64_zero(row)
  return isSecond ? v128.load(row, 16) : v128.load(row)
}

/**
 * sum[W] = Σ over the entries k of a list of rows[k][W], for `blocks` blocks of output channels;
 * weighted: over the entries (k, n) of n · rows[k][W]. sum i16 [W], that of the second block
 * setBytes behind it; rows words [kRows][W / 2] as above, those of the second block blockBytes
 * behind them; list … end: an even number of u16, weighted any number of pairs; so few that 16 bits
 * hold their sums. few: the words have up to 6 bits.
 *
 * These are the hot loops. Each kind has a function of its own with one loop.
 */
// @ts-ignore: decorator
@variants('sumBytesOfTwo', 2, false, false, [32])
@variants('sumBytes', 1, false, false, [32, 16, 8, 4])
@variants('sumFewBitsOfTwo', 2, true, false, [32])
@variants('sumFewBits', 1, true, false, [32, 16])
@variants('sumByteTimes', 1, false, true, [32, 16, 8, 4])
export function sumWords(
  blocks: i32,
  few: bool,
  weighted: bool,
  W: i32,
  sum: usize,
  setBytes: usize,
  rows: usize,
  blockBytes: usize,
  list: usize,
  end: usize,
  offset: i32,
): void {
  const each: unroll = W > 16 ? 2 : 1
  const n: unroll = blocks * each
  const low = locals<v128>(n, i16x8.splat(0))
  const high = locals<v128>(n, i16x8.splat(0))
  const over = i16x8.splat(<i16>(<i32>((end - list) >> 1) * offset))
  for (; list < end; list += 4) {
    const a = rows + <usize>load<u16>(list) * W
    const b = weighted ? a : rows + <usize>load<u16>(list, 2) * W
    const factor = weighted ? factorOf(list) : over
    for (let i: unroll = 0; i < n; i++) {
      const x = words(W, i < each ? a : a + blockBytes, i % each > 0)
      const y = weighted ? x : words(W, i < each ? b : b + blockBytes, i % each > 0)
      if (weighted) {
        const first = i16x8.sub(v128.and(x, i16x8.splat(255)), i16x8.splat(<i16>offset))
        low[i] = i16x8.add(low[i], i16x8.mul(factor, first))
        high[i] = i16x8.add(high[i], i16x8.mul(factor, i16x8.shr_s(x, 8)))
      } else if (few) {
        const both = i8x16.add(x, y)
        low[i] = i16x8.add(low[i], both)
        high[i] = i16x8.add(high[i], i16x8.shr_s(both, 8))
      } else {
        low[i] = i16x8.add(i16x8.add(low[i], x), y)
        high[i] = i16x8.add(i16x8.add(high[i], i16x8.shr_s(x, 8)), i16x8.shr_s(y, 8))
      }
    }
  }
  if (!weighted)
    for (let i: unroll = 0; i < n; i++)
      low[i] = i16x8.sub(i16x8.sub(low[i], i16x8.shl(high[i], 8)), over)
  // V8 joins stores of neighbours that have no other between them.
  for (let block: unroll = 0; block < blocks; block++) {
    for (let i: unroll = 0; i < each; i++) {
      const x = low[block * each + i]
      if (W > 8) v128.store(sum, x, 16 * i)
      else if (W > 4) v128.store(sum, i64x2.shuffle(x, high[i], 0, 2))
      else v128.store64_lane(sum, i32x4.shuffle(x, high[i], 0, 4, 0, 4), 0)
    }
    if (W > 8)
      for (let i: unroll = 0; i < each; i++) v128.store(sum, high[block * each + i], 16 * i + W)
    sum += setBytes
  }
}

/**
 * The sums of a list for `blocks` blocks of a width, as `sumWords`. few: the words have up to 6
 * bits.
 */
// @ts-ignore: decorator
@inline
export function sumList(
  sum: usize,
  setBytes: usize,
  rows: usize,
  blockBytes: usize,
  blocks: i32,
  width: i32,
  weighted: bool,
  offset: i32,
  list: usize,
  end: usize,
): void {
  const few = offset <= 32
  if (!weighted && width == 32 && blocks == 2) {
    if (few) sumFewBitsOfTwo32(sum, setBytes, rows, blockBytes, list, end, offset)
    else sumBytesOfTwo32(sum, setBytes, rows, blockBytes, list, end, offset)
    return
  }
  do {
    if (weighted) {
      if (width == 32) sumByteTimes32(sum, 0, rows, 0, list, end, offset)
      else if (width == 16) sumByteTimes16(sum, 0, rows, 0, list, end, offset)
      else if (width == 8) sumByteTimes8(sum, 0, rows, 0, list, end, offset)
      else sumByteTimes4(sum, 0, rows, 0, list, end, offset)
    } else if (width == 32) {
      if (few) sumFewBits32(sum, 0, rows, 0, list, end, offset)
      else sumBytes32(sum, 0, rows, 0, list, end, offset)
    } else if (width == 16) {
      if (few) sumFewBits16(sum, 0, rows, 0, list, end, offset)
      else sumBytes16(sum, 0, rows, 0, list, end, offset)
    } else if (width == 8) sumBytes8(sum, 0, rows, 0, list, end, offset)
    else sumBytes4(sum, 0, rows, 0, list, end, offset)
    sum += setBytes
    rows += blockBytes
  } while (--blocks)
}
