/**
 * Sums of weight rows of bytes, for blocks of 32, 16, 8 and 4 output channels. Rows are summed in
 * 16 bits, which hold 256 times any byte, and then added to sums of 32 bits.
 */

/** s + the first eight bytes of a row. */
// @ts-ignore: decorator
@inline
function addLow(s: v128, row: v128): v128 {
  return i16x8.add(s, i16x8.extend_low_i8x16_s(row))
}

/** s + the last eight. */
// @ts-ignore: decorator
@inline
function addHigh(s: v128, row: v128): v128 {
  return i16x8.add(s, i16x8.extend_high_i8x16_s(row))
}

/** s + factor · the first eight bytes of a row. */
// @ts-ignore: decorator
@inline
function addLowTimes(s: v128, factor: v128, row: v128): v128 {
  return i16x8.add(s, i16x8.mul(factor, i16x8.extend_low_i8x16_s(row)))
}

/** s + factor · the last eight. */
// @ts-ignore: decorator
@inline
function addHighTimes(s: v128, factor: v128, row: v128): v128 {
  return i16x8.add(s, i16x8.mul(factor, i16x8.extend_high_i8x16_s(row)))
}

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return v128.load_splat<i16>(entry, 2)
}

/** sum i32 [8] = s. */
// @ts-ignore: decorator
@inline
function put(sum: usize, s: v128): void {
  v128.store(sum, i32x4.extend_low_i16x8_s(s))
  v128.store(sum, i32x4.extend_high_i16x8_s(s), 16)
}

/**
 * sum[32] = Σ over the entries k of a list of rows[k][32]. sum i32 [32]; rows i8 [KRows][32],
 * −128 … 127; list … end: an even number of u16, at most 256.
 *
 * This function and those below are the hot loops. Each is a function of its own with one loop.
 */
export function sumBytes32(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; list < end; list += 4) {
    const a = rows + ((<usize>load<u16>(list)) << 5)
    const a0 = v128.load(a)
    const a1 = v128.load(a, 16)
    s0 = addLow(s0, a0)
    s1 = addHigh(s1, a0)
    s2 = addLow(s2, a1)
    s3 = addHigh(s3, a1)
    const b = rows + ((<usize>load<u16>(list, 2)) << 5)
    const b0 = v128.load(b)
    const b1 = v128.load(b, 16)
    s0 = addLow(s0, b0)
    s1 = addHigh(s1, b0)
    s2 = addLow(s2, b1)
    s3 = addHigh(s3, b1)
  }
  put(sum, s0)
  put(sum + 32, s1)
  put(sum + 64, s2)
  put(sum + 96, s3)
}

/** The same for blocks of 16. */
export function sumBytes16(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  for (; list < end; list += 4) {
    const a = v128.load(rows + ((<usize>load<u16>(list)) << 4))
    s0 = addLow(s0, a)
    s1 = addHigh(s1, a)
    const b = v128.load(rows + ((<usize>load<u16>(list, 2)) << 4))
    s0 = addLow(s0, b)
    s1 = addHigh(s1, b)
  }
  put(sum, s0)
  put(sum + 32, s1)
}

/** The same for blocks of 8. */
export function sumBytes8(sum: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    s = addLow(s, v128.load64_zero(rows + ((<usize>load<u16>(list)) << 3)))
    s = addLow(s, v128.load64_zero(rows + ((<usize>load<u16>(list, 2)) << 3)))
  }
  put(sum, s)
}

/** The same for blocks of 4. */
export function sumBytes4(sum: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    s = addLow(s, v128.load32_zero(rows + ((<usize>load<u16>(list)) << 2)))
    s = addLow(s, v128.load32_zero(rows + ((<usize>load<u16>(list, 2)) << 2)))
  }
  v128.store(sum, i32x4.extend_low_i16x8_s(s))
}

/**
 * sum[32] = Σ over the entries (k, n) of a weighted list of n · rows[k][32]. The factors
 * of list … end add up to at most 256. Otherwise as `sumBytes32`; the number of entries may
 * be odd.
 */
export function sumByteTimes32(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  let s2 = s0
  let s3 = s0
  for (; list < end; list += 4) {
    const a = rows + ((<usize>load<u16>(list)) << 5)
    const a0 = v128.load(a)
    const a1 = v128.load(a, 16)
    const n = factorOf(list)
    s0 = addLowTimes(s0, n, a0)
    s1 = addHighTimes(s1, n, a0)
    s2 = addLowTimes(s2, n, a1)
    s3 = addHighTimes(s3, n, a1)
  }
  put(sum, s0)
  put(sum + 32, s1)
  put(sum + 64, s2)
  put(sum + 96, s3)
}

/** `sumByteTimes32` for blocks of 16. */
export function sumByteTimes16(sum: usize, rows: usize, list: usize, end: usize): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  for (; list < end; list += 4) {
    const a = v128.load(rows + ((<usize>load<u16>(list)) << 4))
    const n = factorOf(list)
    s0 = addLowTimes(s0, n, a)
    s1 = addHighTimes(s1, n, a)
  }
  put(sum, s0)
  put(sum + 32, s1)
}

/** `sumByteTimes32` for blocks of 8. */
export function sumByteTimes8(sum: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    const a = v128.load64_zero(rows + ((<usize>load<u16>(list)) << 3))
    s = addLowTimes(s, factorOf(list), a)
  }
  put(sum, s)
}

/** `sumByteTimes32` for blocks of 4. */
export function sumByteTimes4(sum: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    const a = v128.load32_zero(rows + ((<usize>load<u16>(list)) << 2))
    s = addLowTimes(s, factorOf(list), a)
  }
  v128.store(sum, i32x4.extend_low_i16x8_s(s))
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
