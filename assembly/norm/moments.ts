/**
 * Moments of rows [rows][C]. They are taken of one chunk, extended while rows are in the cache,
 * and combined over the chunks. The four rows of moments are those of MOMENT_ROWS in chunks.ts.
 */

/**
 * moments [4][…] = count, the row x, 0, 0, for `bytes` of channels. Rows of moments are `stride`
 * bytes apart.
 */
export function startMoments(
  moments: usize,
  stride: usize,
  x: usize,
  bytes: usize,
  count: u32,
): void {
  const n = f32x4.splat(<f32>count)
  const zero = f32x4.splat(0)
  for (let c: usize = 0; c < bytes; c += 16) {
    let at = moments + c
    v128.store(at, n)
    v128.store((at += stride), v128.load(x + c))
    v128.store((at += stride), zero)
    v128.store((at += stride), zero)
  }
}

/** moments += those of 4 rows of x. Rows of x and rows of moments are `stride` bytes apart. */
export function addMoments4(moments: usize, stride: usize, x: usize, bytes: usize): void {
  const end = x + bytes
  for (; x < end; x += 16) {
    const base = moments + stride
    const x0 = v128.load(base)
    const sums = base + stride
    const squares = sums + stride
    let row = x
    const d0 = f32x4.sub(v128.load(row), x0)
    const d1 = f32x4.sub(v128.load((row += stride)), x0)
    const d2 = f32x4.sub(v128.load((row += stride)), x0)
    const d3 = f32x4.sub(v128.load(row + stride), x0)
    v128.store(sums, f32x4.add(v128.load(sums), f32x4.add(f32x4.add(d0, d1), f32x4.add(d2, d3))))
    const low = f32x4.add(f32x4.mul(d0, d0), f32x4.mul(d1, d1))
    const high = f32x4.add(f32x4.mul(d2, d2), f32x4.mul(d3, d3))
    v128.store(squares, f32x4.add(v128.load(squares), f32x4.add(low, high)))
    moments += 16
  }
}

/** moments += those of any number of rows of x, as `addMoments4`. */
export function addMoments(moments: usize, stride: usize, x: usize, bytes: usize, rows: i32): void {
  for (let c: usize = 0; c < bytes; c += 16) {
    const base = moments + stride
    const x0 = v128.load(base)
    const sums = base + stride
    const squares = sums + stride
    let sum = v128.load(sums)
    let square = v128.load(squares)
    let row = x + c
    for (let left = rows; left; left--) {
      const d = f32x4.sub(v128.load(row), x0)
      sum = f32x4.add(sum, d)
      square = f32x4.add(square, f32x4.mul(d, d))
      row += stride
    }
    v128.store(sums, sum)
    v128.store(squares, square)
    moments += 16
  }
}

/** N channels: sums = Σ d, squares = Σ d² over count rows, where d = x − base. */
// @ts-ignore: decorator
@variants('normSums', [16, 4])
export function normSums(
  N: i32,
  sums: usize,
  squares: usize,
  x: usize,
  base: usize,
  count: u32,
  step: usize,
): void {
  const n: unroll = N / 4
  const b = locals<v128>(n)
  const s = locals<v128>(n, f32x4.splat(0))
  const q = locals<v128>(n, f32x4.splat(0))
  for (let i: unroll = 0; i < n; i++) b[i] = v128.load(base, 16 * i)
  while (count) {
    for (let i: unroll = 0; i < n; i++) {
      const d = f32x4.sub(v128.load(x, 16 * i), b[i])
      s[i] = f32x4.add(s[i], d)
      q[i] = f32x4.add(q[i], f32x4.mul(d, d))
    }
    x += step
    count--
  }
  for (let i: unroll = 0; i < n; i++) v128.store(sums, s[i], 16 * i)
  for (let i: unroll = 0; i < n; i++) v128.store(squares, q[i], 16 * i)
}

/** Lanes 0 and 1 in double precision. */
// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x)
}

/** Lanes 2 and 3 in double precision. */
// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(x, x, 1, 0))
}

/**
 * out f64 [2][4] = mean, Σ (x − mean)² of four neighbouring channels, from the moments of `units`
 * chunks that are `step` bytes apart. `moments` is the address of the first chunk at the first of
 * the channels; its rows are `stride` bytes apart.
 */
export function combineMoments(
  out: usize,
  moments: usize,
  stride: usize,
  step: usize,
  units: u32,
  rows: f64,
): void {
  let sum0 = f64x2.splat(0),
    sum1 = sum0
  let at = moments
  for (let left = units; left; left--) {
    const n = f64x2.splat(<f64>load<f32>(at))
    const base = v128.load(at + stride)
    const sums = v128.load(at + 2 * stride)
    sum0 = f64x2.add(sum0, f64x2.add(f64x2.mul(n, low(base)), low(sums)))
    sum1 = f64x2.add(sum1, f64x2.add(f64x2.mul(n, high(base)), high(sums)))
    at += step
  }
  const mean0 = f64x2.div(sum0, f64x2.splat(rows))
  const mean1 = f64x2.div(sum1, f64x2.splat(rows))
  v128.store(out, mean0)
  v128.store(out, mean1, 16)
  // Σ (x − mean)² of a chunk about its base b: Σ d² + (b − mean)(2 Σ d + n (b − mean)).
  let square0 = f64x2.splat(0),
    square1 = square0
  at = moments
  for (let left = units; left; left--) {
    const n = f64x2.splat(<f64>load<f32>(at))
    const base = v128.load(at + stride)
    const sums = v128.load(at + 2 * stride)
    const squares = v128.load(at + 3 * stride)
    const shift0 = f64x2.sub(low(base), mean0)
    const shift1 = f64x2.sub(high(base), mean1)
    const twice0 = f64x2.add(low(sums), low(sums))
    const twice1 = f64x2.add(high(sums), high(sums))
    square0 = f64x2.add(
      square0,
      f64x2.add(low(squares), f64x2.mul(shift0, f64x2.add(twice0, f64x2.mul(n, shift0)))),
    )
    square1 = f64x2.add(
      square1,
      f64x2.add(high(squares), f64x2.mul(shift1, f64x2.add(twice1, f64x2.mul(n, shift1)))),
    )
    at += step
  }
  v128.store(out, square0, 32)
  v128.store(out, square1, 48)
}
