/** Sums of the weight rows in a list, for blocks of 32, 16, 8 and 4 output channels. */

/**
 * sum[32] = Σ over the entries k of a list of rows[k][32]. rows float32 [KRows][32]; list … end:
 * an even number of u16.
 *
 * This function and those for narrower blocks are the hot loops. Each is a function of its own
 * with one loop and no remainder; otherwise V8 spills the sums.
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
 * The same for blocks of 16. Eight sums would hide the latency of the additions better, but then
 * V8 moves all loads ahead of them and spills one.
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
 * The same for blocks of 8. Even and odd entries have sums of their own, to hide the latency of
 * the additions. The narrower loops below do the same.
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

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_u(v128.load32_splat(entry), 16))
}

/** s + factor · row. */
// @ts-ignore: decorator
@inline
function addTimes(s: v128, factor: v128, row: v128): v128 {
  return f32x4.add(s, f32x4.mul(factor, row))
}

/**
 * sum[32] = Σ over the entries (k, n) of a weighted list of n · rows[k][32]. Otherwise as
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

/** `sumTimes32` for blocks of 16. */
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

/** `sumTimes32` for blocks of 8. */
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

/** `sumTimes32` for blocks of 4. */
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
 * sums[p] = the sum of the rows in list p, for `blocks` blocks of output channels. Rows of a block
 * are blockBytes from those of the next, and its sums setBytes. sums float32 [16][width]. The
 * blocks run side by side, because the processor then predicts the length of the second loop over
 * the same list.
 */
// @ts-ignore: decorator
@inline
export function sumLists(
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

/** sums[p] = the sum of the rows in list p, for one block. sums float32 [16][width]. */
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
