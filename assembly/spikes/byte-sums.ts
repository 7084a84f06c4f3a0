/**
 * Sums of weight rows of bytes, for blocks of 32, 16, 8 and 4 output channels. Rows are summed in
 * 16 bits, which hold 256 times any byte, and then added to sums of 32 bits.
 */

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return v128.load_splat<i16>(entry, 2)
}

/**
 * sum[W] = Σ over the entries k of a list of rows[k][W]; weighted: over the entries (k, n) of n ·
 * rows[k][W], whose factors add up to at most 256. sum i32 [W]; rows i8 [kRows][W], −128 … 127;
 * list … end: an even number of u16, at most 256; weighted any number of pairs.
 *
 * These are the hot loops. Each width has a function of its own with one loop.
 */
// @ts-ignore: decorator
@variants('sumBytes', [32, 16, 8, 4], false)
@variants('sumByteTimes', [32, 16, 8, 4], true)
export function sumBytes(
  W: i32,
  weighted: bool,
  sum: usize,
  rows: usize,
  list: usize,
  end: usize,
): void {
  const entries: unroll = weighted ? 1 : 2
  const vectors: unroll = W > 16 ? 2 : 1
  const s = locals<v128>(W > 8 ? W / 8 : 1, i16x8.splat(0))
  for (; list < end; list += 4) {
    for (let entry: unroll = 0; entry < entries; entry++) {
      const row = rows + <usize>load<u16>(list, 2 * entry) * W
      const factor = weighted ? factorOf(list) : i16x8.splat(1)
      for (let v: unroll = 0; v < vectors; v++) {
        const bytes =
          W > 8 ? v128.load(row, 16 * v) : W > 4 ? v128.load64_zero(row) : v128.load32_zero(row)
        const low = i16x8.extend_low_i8x16_s(bytes)
        s[2 * v] = i16x8.add(s[2 * v], weighted ? i16x8.mul(factor, low) : low)
        if (W > 8) {
          const high = i16x8.extend_high_i8x16_s(bytes)
          s[2 * v + 1] = i16x8.add(s[2 * v + 1], weighted ? i16x8.mul(factor, high) : high)
        }
      }
    }
  }
  for (let i: unroll = 0; i < (W > 8 ? W / 8 : 1); i++) {
    v128.store(sum, i32x4.extend_low_i16x8_s(s[i]), 32 * i)
    if (W > 4) v128.store(sum, i32x4.extend_high_i16x8_s(s[i]), 32 * i + 16)
  }
}

/** The sum of a piece of a list. */
// @ts-ignore: decorator
@inline
function sumPiece(
  sum: usize,
  rows: usize,
  width: i32,
  weighted: bool,
  list: usize,
  end: usize,
): void {
  if (weighted) {
    if (width == 32) sumByteTimes32(sum, rows, list, end)
    else if (width == 16) sumByteTimes16(sum, rows, list, end)
    else if (width == 8) sumByteTimes8(sum, rows, list, end)
    else sumByteTimes4(sum, rows, list, end)
  } else if (width == 32) sumBytes32(sum, rows, list, end)
  else if (width == 16) sumBytes16(sum, rows, list, end)
  else if (width == 8) sumBytes8(sum, rows, list, end)
  else sumBytes4(sum, rows, list, end)
}

/**
 * sums[p] = the sum of the rows in list p, for one block of a width. sums i32 [16][width], of which
 * sums[0] is scratch. pieceBytes: bytes of a list whose rows 16 bits can sum.
 */
// @ts-ignore: decorator
@inline
export function sumByteList(
  sums: usize,
  rows: usize,
  width: i32,
  weighted: bool,
  pieceBytes: usize,
  pointers: usize,
  p: i32,
): void {
  const sum = sums + <usize>((p * width) << 2)
  const end = <usize>load<u32>(pointers + ((<usize>p) << 2))
  let list = <usize>load<u32>(pointers + ((<usize>p) << 2) - 4)
  sumPiece(sum, rows, width, weighted, list, min(list + pieceBytes, end))
  list += pieceBytes
  if (list < end) sumRest(sum, sums, rows, width, weighted, pieceBytes, list, end)
}

/** sum += the rows of the rest of a list, piece by piece. part i32 [width]: scratch. */
export function sumRest(
  sum: usize,
  part: usize,
  rows: usize,
  width: i32,
  weighted: bool,
  pieceBytes: usize,
  list: usize,
  end: usize,
): void {
  for (; list < end; list += pieceBytes) {
    sumPiece(part, rows, width, weighted, list, min(list + pieceBytes, end))
    for (let at: usize = 0; at < (<usize>width) << 2; at += 16)
      v128.store(sum + at, i32x4.add(v128.load(sum + at), v128.load(part + at)))
  }
}
