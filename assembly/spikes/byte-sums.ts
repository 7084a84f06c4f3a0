/**
 * Sums of weight rows of bytes, for blocks of 32, 16, 8 and 4 output channels. Rows are summed in
 * 16 bits, which hold 258 times ±127, and then added to sums of 32 bits.
 */

/** Rows that a sum of 16 bits can hold, for weights of −127 … 127. */
export const BYTE_ROWS: i32 = 258

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

/** sum i32 [8] = from + s. */
// @ts-ignore: decorator
@inline
function flush(sum: usize, from: usize, s: v128): void {
  v128.store(sum, i32x4.add(v128.load(from), i32x4.extend_low_i16x8_s(s)))
  v128.store(sum, i32x4.add(v128.load(from, 16), i32x4.extend_high_i16x8_s(s)), 16)
}

/**
 * sum[32] = from[32] + Σ over the entries k of a list of rows[k][32]. sum, from i32 [32], which may
 * be the same; rows i8 [KRows][32], −127 … 127; list … end: an even number of u16, at most
 * `BYTE_ROWS`.
 *
 * This function and those below are the hot loops. Each is a function of its own with one loop.
 */
export function addBytes32(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
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
  flush(sum, from, s0)
  flush(sum + 32, from + 32, s1)
  flush(sum + 64, from + 64, s2)
  flush(sum + 96, from + 96, s3)
}

/** The same for blocks of 16. */
export function addBytes16(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
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
  flush(sum, from, s0)
  flush(sum + 32, from + 32, s1)
}

/** The same for blocks of 8. */
export function addBytes8(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    s = addLow(s, v128.load64_zero(rows + ((<usize>load<u16>(list)) << 3)))
    s = addLow(s, v128.load64_zero(rows + ((<usize>load<u16>(list, 2)) << 3)))
  }
  flush(sum, from, s)
}

/** The same for blocks of 4. */
export function addBytes4(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    s = addLow(s, v128.load32_zero(rows + ((<usize>load<u16>(list)) << 2)))
    s = addLow(s, v128.load32_zero(rows + ((<usize>load<u16>(list, 2)) << 2)))
  }
  v128.store(sum, i32x4.add(v128.load(from), i32x4.extend_low_i16x8_s(s)))
}

/**
 * sum[32] = from[32] + Σ over the entries (k, n) of a weighted list of n · rows[k][32]. The factors
 * of list … end add up to at most `BYTE_ROWS`. Otherwise as `addBytes32`; the number of entries may
 * be odd.
 */
export function addByteTimes32(
  sum: usize,
  from: usize,
  rows: usize,
  list: usize,
  end: usize,
): void {
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
  flush(sum, from, s0)
  flush(sum + 32, from + 32, s1)
  flush(sum + 64, from + 64, s2)
  flush(sum + 96, from + 96, s3)
}

/** `addByteTimes32` for blocks of 16. */
export function addByteTimes16(
  sum: usize,
  from: usize,
  rows: usize,
  list: usize,
  end: usize,
): void {
  let s0 = i16x8.splat(0)
  let s1 = s0
  for (; list < end; list += 4) {
    const a = v128.load(rows + ((<usize>load<u16>(list)) << 4))
    const n = factorOf(list)
    s0 = addLowTimes(s0, n, a)
    s1 = addHighTimes(s1, n, a)
  }
  flush(sum, from, s0)
  flush(sum + 32, from + 32, s1)
}

/** `addByteTimes32` for blocks of 8. */
export function addByteTimes8(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    const a = v128.load64_zero(rows + ((<usize>load<u16>(list)) << 3))
    s = addLowTimes(s, factorOf(list), a)
  }
  flush(sum, from, s)
}

/** `addByteTimes32` for blocks of 4. */
export function addByteTimes4(sum: usize, from: usize, rows: usize, list: usize, end: usize): void {
  let s = i16x8.splat(0)
  for (; list < end; list += 4) {
    const a = v128.load32_zero(rows + ((<usize>load<u16>(list)) << 2))
    s = addLowTimes(s, factorOf(list), a)
  }
  v128.store(sum, i32x4.add(v128.load(from), i32x4.extend_low_i16x8_s(s)))
}

/**
 * sums[p] = the sum of the rows in list p, for one block of a width. sums i32 [16][width], of which
 * sums[0] is zero. pieceBytes: bytes of a list whose rows 16 bits can sum.
 */
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
  const listEnd = <usize>load<u32>(pointers + ((<usize>p) << 2))
  let list = <usize>load<u32>(pointers + ((<usize>p) << 2) - 4)
  let from = sums
  do {
    const end = min(list + pieceBytes, listEnd)
    if (weighted) {
      if (width == 32) addByteTimes32(sum, from, rows, list, end)
      else if (width == 16) addByteTimes16(sum, from, rows, list, end)
      else if (width == 8) addByteTimes8(sum, from, rows, list, end)
      else addByteTimes4(sum, from, rows, list, end)
    } else if (width == 32) addBytes32(sum, from, rows, list, end)
    else if (width == 16) addBytes16(sum, from, rows, list, end)
    else if (width == 8) addBytes8(sum, from, rows, list, end)
    else addBytes4(sum, from, rows, list, end)
    from = sum
    list = end
  } while (list < listEnd)
}
