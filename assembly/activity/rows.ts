/** Rows of floats: sums and products, a multiple of four floats each. */

/** Out += in. */
export function addToRow(out: usize, input: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.add(v128.load(out + i), v128.load(input + i)))
}

/** Out += in · factor. */
export function addScaledRow(out: usize, input: usize, factor: f32, bytes: usize): void {
  const scale = f32x4.splat(factor)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(v128.load(input + i), scale)))
}

/** Out = out · factor. */
export function scaleRow(out: usize, factor: f32, bytes: usize): void {
  const scale = f32x4.splat(factor)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.mul(v128.load(out + i), scale))
}

/** Out = in · factors; Out may be in. */
export function multiplyRow(out: usize, input: usize, factors: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.mul(v128.load(input + i), v128.load(factors + i)))
}

/** Out += a · b. */
export function addProduct(out: usize, a: usize, b: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(
      out + i,
      f32x4.add(v128.load(out + i), f32x4.mul(v128.load(a + i), v128.load(b + i))),
    )
}

/** Σ a·b over so many bytes of floats, a multiple of 16. */
export function dot(a: usize, b: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16)
    sum = f32x4.add(sum, f32x4.mul(v128.load(a + i), v128.load(b + i)))
  return (
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  )
}
