/**
 * Inputs that are sums of spikes, over a pooling window or over several sources. They are counted
 * step by step and appended to the lists with their factors (weighted entries: see lists.ts).
 */

/**
 * counts u8 [4][16] += the spikes at each step of a group, of 16 neighbouring channels, over a
 * window. `masks` is the address of the first channel and pixel. Pixels are `channels` bytes
 * apart, rows `rowBytes`.
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
 * Appends (first + i, factors[i]) for each bit i of `active` to the list whose end is stored at
 * `slot`. At least one bit is set. factors u8 [16].
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

/** Appends the factors that are not zero, at the bits of `valid`, to the list of a pattern. */
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
 * Appends the inputs first + i, for the bits i of `valid`, to 7 weighted lists. counts u8 [4][16]:
 * their spikes at each step. spare: 16 bytes. An input makes at most 4 entries, in different
 * lists.
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

/** `bit`, which is the bit of a step, in each byte of n that is not zero. */
// @ts-ignore: decorator
@inline
function bitWhere(n: v128, bit: i8): v128 {
  return v128.andnot(i8x16.splat(bit), i8x16.eq(n, i8x16.splat(0)))
}

/** n − 1 in each byte, where 0 becomes 255. */
// @ts-ignore: decorator
@inline
function before(n: v128): v128 {
  return i8x16.sub(n, i8x16.splat(1))
}

/** The same for 15 weighted lists. spare: 32 bytes. */
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
    // The steps that have spikes, as often as all of them have one.
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
