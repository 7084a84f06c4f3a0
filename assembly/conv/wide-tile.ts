/** The micro kernel of 5×16 tiles, for V8 that joins neighbours: twice the sums of tile.ts. */

import { keepAddresses } from './tile'

/**
 * c[5][16] = or += Σ_k a[k][0..4]ᵀ b[k][0..15], where columns from 8 on are `far` bytes behind the
 * first of b. The address of a row is c and what stands at `rows`, 16 bytes further for each: rows
 * that repeat at the end of a unit get the same sums. The sum is that of `micro`, bit for bit.
 */
export function microWide(
  c: usize,
  rows: usize,
  a: usize,
  b: usize,
  far: usize,
  ldb: usize,
  k: i32,
  add: bool,
): void {
  const s = locals<v128>(20, f32x4.splat(0))
  const row = locals<usize>(5)
  keepAddresses(a)
  a -= 20
  b -= ldb
  let d = b + far
  const last = a + <usize>k * 20
  while (a != last) {
    a += 20
    b += ldb
    d += ldb
    const columns = locals<v128>(4)
    for (let j: unroll = 0; j < 4; j++) columns[j] = v128.load(j < 2 ? b : d, 16 * (j % 2))
    for (let i: unroll = 0; i < 5; i++) {
      const value = v128.load32_splat(a, 4 * i)
      for (let j: unroll = 0; j < 4; j++)
        s[4 * i + j] = f32x4.add(s[4 * i + j], f32x4.mul(value, columns[j]))
    }
  }
  for (let i: unroll = 0; i < 5; i++) row[i] = c + <usize>load<u32>(rows, 16 * i)
  if (add)
    for (let i: unroll = 0; i < 20; i++) s[i] = f32x4.add(s[i], v128.load(row[i / 4], 16 * (i % 4)))
  for (let i: unroll = 0; i < 20; i++) v128.store(row[i / 4], s[i], 16 * (i % 4))
}
