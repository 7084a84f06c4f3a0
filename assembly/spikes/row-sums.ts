/** Sums of the weight rows in a list, for blocks of 32, 16, 8 and 4 output channels. */

/** The factor of a weighted entry, in all lanes. */
// @ts-ignore: decorator
@inline
function factorOf(entry: usize): v128 {
  return f32x4.convert_i32x4_s(i32x4.shr_u(v128.load32_splat(entry), 16))
}

/**
 * sum[W] = Σ over the entries k of a list of rows[k][W]; weighted: over the entries (k, n) of n ·
 * rows[k][W]. rows float32 [kRows][W]; list … end: an even number of u16, or of pairs of them.
 *
 * These are the hot loops. Each width has a function of its own with one loop and no remainder;
 * otherwise V8 spills the sums. Below 16 channels even and odd entries have sums of their own, to
 * hide the latency of the additions. For 16, eight sums would hide it better, but then V8 moves
 * all loads ahead of them and spills one.
 */
// @ts-ignore: decorator
@variants('sumRows', [32, 16, 8, 4], false)
@variants('sumTimes', [32, 16, 8, 4], true)
export function sumRows(
  W: i32,
  weighted: bool,
  sum: usize,
  rows: usize,
  list: usize,
  end: usize,
): void {
  const entry: unroll = weighted ? 4 : 2
  const n: unroll = W / 4
  const sets: unroll = W < 16 ? 2 : 1
  const s = locals<v128>(sets * n, f32x4.splat(0))
  for (; list < end; list += 2 * entry) {
    for (let half: unroll = 0; half < 2; half++) {
      const row = rows + <usize>load<u16>(list, half * entry) * (4 * W)
      const factor = weighted ? factorOf(list + half * entry) : f32x4.splat(1)
      const own: unroll = (half % sets) * n
      for (let i: unroll = 0; i < n; i++) {
        const value = v128.load(row, 16 * i)
        s[own + i] = f32x4.add(s[own + i], weighted ? f32x4.mul(factor, value) : value)
      }
    }
  }
  for (let i: unroll = 0; i < n; i++)
    v128.store(sum, sets == 2 ? f32x4.add(s[i], s[n + i]) : s[i], 16 * i)
}

/**
 * The sums of 32 channels and of the 32 of another block, whose rows are `next` bytes behind and
 * whose sums `far`. `at`: where the beginning and the end of the list stand.
 */
export function sumBlocks(sum: usize, far: usize, rows: usize, next: usize, at: usize): void {
  const end = <usize>load<u32>(at, 4)
  const s = locals<v128>(16, f32x4.splat(0))
  for (let list = <usize>load<u32>(at); list < end; list += 2) {
    const row = rows + <usize>load<u16>(list) * 128
    for (let i: unroll = 0; i < 16; i++)
      s[i] = f32x4.add(s[i], v128.load(i < 8 ? row : row + next, 16 * (i % 8)))
  }
  for (let i: unroll = 0; i < 16; i++) v128.store(i < 8 ? sum : sum + far, s[i], 16 * (i % 8))
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
  if (WIDE && width == 32 && !weighted)
    for (; left > 1; left -= 2) {
      const at = pointers + <usize>(4 * p - 4)
      sumBlocks(sums + <usize>(128 * p), setBytes, rows, blockBytes, at)
      sums += 2 * setBytes
      rows += 2 * blockBytes
    }
  if (WIDE && left == 0) return
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
