/**
 * Totals of spikes in memory, by which the host chooses between kernels where no neurons have
 * counted them. Ranges are of whole vectors: bytes behind a tensor's end are zeros.
 */

/** Σ of the bytes, modulo 2³²; `bytes` a multiple of 16. */
export function byteSum(at: usize, bytes: u32): u32 {
  const end = at + bytes
  let sum = i32x4.splat(0)
  for (; at < end; at += 16)
    sum = i32x4.add(
      sum,
      i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(v128.load(at))),
    )
  return lanes(sum)
}

/** The number of bits that are set, modulo 2³²; `bytes` a multiple of 16. */
export function bitSum(at: usize, bytes: u32): u32 {
  const end = at + bytes
  let sum = i32x4.splat(0)
  for (; at < end; at += 16) {
    const ones = i8x16.popcnt(v128.load(at))
    sum = i32x4.add(sum, i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(ones)))
  }
  return lanes(sum)
}

/** The largest byte; `bytes` a multiple of 16. */
export function byteMax(at: usize, bytes: u32): u32 {
  const end = at + bytes
  let most = i8x16.splat(0)
  for (; at < end; at += 16) most = i8x16.max_u(most, v128.load(at))
  most = i8x16.max_u(
    most,
    i8x16.shuffle(most, most, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0),
  )
  most = i8x16.max_u(
    most,
    i8x16.shuffle(most, most, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  )
  most = i8x16.max_u(
    most,
    i8x16.shuffle(most, most, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
  )
  return max<u32>(i8x16.extract_lane_u(most, 0), i8x16.extract_lane_u(most, 1))
}

// @ts-ignore: decorator
@inline
function lanes(v: v128): u32 {
  return (
    i32x4.extract_lane(v, 0) +
    i32x4.extract_lane(v, 1) +
    i32x4.extract_lane(v, 2) +
    i32x4.extract_lane(v, 3)
  )
}
