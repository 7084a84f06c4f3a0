/** Bytes as lanes of a vector, and back. */

/** Four bytes as four 32-bit lanes. */
// @ts-ignore: decorator
@inline
export function widenBytes(address: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(address)))
}

/** Four 32-bit lanes 0 … 255 as the first four bytes. */
// @ts-ignore: decorator
@inline
export function packBytes(lanes: v128): v128 {
  const halves = i16x8.narrow_i32x4_u(lanes, lanes)
  return i8x16.narrow_i16x8_u(halves, halves)
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function sumLanes(lanes: v128): u32 {
  return (
    i32x4.extract_lane(lanes, 0) +
    i32x4.extract_lane(lanes, 1) +
    i32x4.extract_lane(lanes, 2) +
    i32x4.extract_lane(lanes, 3)
  )
}
