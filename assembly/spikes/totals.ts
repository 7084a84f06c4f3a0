/**
 * Totals of spikes in memory, by which the host checks counts and chooses between kernels where no
 * neurons have counted. Ranges are of whole lines of 64 bytes: bytes behind a tensor's end are
 * zeros.
 */

/** u32 out[0] = Σ of the bytes, modulo 2³²; out[1] = the largest. `bytes`: a multiple of 64. */
export function byteTotals(at: usize, bytes: u32, out: usize): void {
  const end = at + bytes
  let sum = i32x4.splat(0)
  let most = i8x16.splat(0)
  for (; at < end; at += 64) {
    const a = v128.load(at)
    const b = v128.load(at, 16)
    const c = v128.load(at, 32)
    const d = v128.load(at, 48)
    most = i8x16.max_u(most, i8x16.max_u(i8x16.max_u(a, b), i8x16.max_u(c, d)))
    const left = i16x8.add(pairs(a), pairs(b))
    const right = i16x8.add(pairs(c), pairs(d))
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(i16x8.add(left, right)))
  }
  store<u32>(out, lanes(sum))
  store<u32>(out, largest(most), 4)
}

/** The largest byte; `bytes` a multiple of 64. */
export function byteMax(at: usize, bytes: u32): u32 {
  const end = at + bytes
  let most = i8x16.splat(0)
  for (; at < end; at += 64) {
    const left = i8x16.max_u(v128.load(at), v128.load(at, 16))
    const right = i8x16.max_u(v128.load(at, 32), v128.load(at, 48))
    most = i8x16.max_u(most, i8x16.max_u(left, right))
  }
  return largest(most)
}

/** The number of bits that are set, modulo 2³²; `bytes` a multiple of 64. */
export function bitSum(at: usize, bytes: u32): u32 {
  const end = at + bytes
  let sum = i32x4.splat(0)
  for (; at < end; at += 64) {
    const left = i8x16.add(i8x16.popcnt(v128.load(at)), i8x16.popcnt(v128.load(at, 16)))
    const right = i8x16.add(i8x16.popcnt(v128.load(at, 32)), i8x16.popcnt(v128.load(at, 48)))
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(pairs(i8x16.add(left, right))))
  }
  return lanes(sum)
}

/**
 * counts[i] = Σ over planes of the bits of masks[plane][i], bytes. `neurons`: bytes of a plane, a
 * multiple of 4.
 */
export function maskCounts(masks: usize, neurons: u32, planes: u32, counts: usize): void {
  const whole = neurons & ~15
  for (let i: u32 = 0; i < whole; i += 16) {
    let at = masks + i
    let sum = i8x16.popcnt(v128.load(at))
    for (let plane: u32 = 1; plane < planes; plane++) {
      at += neurons
      sum = i8x16.add(sum, i8x16.popcnt(v128.load(at)))
    }
    v128.store(counts + i, sum)
  }
  for (let i = whole; i < neurons; i += 4) {
    let sum = i8x16.splat(0)
    for (let plane: u32 = 0; plane < planes; plane++)
      sum = i8x16.add(sum, i8x16.popcnt(v128.load32_zero(masks + plane * neurons + i)))
    store<u32>(counts + i, i32x4.extract_lane(sum, 0))
  }
}

// @ts-ignore: decorator
@inline
function pairs(v: v128): v128 {
  return i16x8.extadd_pairwise_i8x16_u(v)
}

function lanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) +
    i32x4.extract_lane(v, 1) +
    i32x4.extract_lane(v, 2) +
    i32x4.extract_lane(v, 3)
  )
}

function largest(v: v128): u32 {
  // Bytes in eight lanes of 16 bits: the even ones and the odd ones.
  let most = i16x8.max_u(v128.and(v, i16x8.splat(255)), i16x8.shr_u(v, 8))
  most = i16x8.max_u(most, i16x8.shuffle(most, most, 4, 5, 6, 7, 0, 1, 2, 3))
  most = i16x8.max_u(most, i16x8.shuffle(most, most, 2, 3, 0, 1, 6, 7, 4, 5))
  return max<u32>(i16x8.extract_lane_u(most, 0), i16x8.extract_lane_u(most, 1))
}
