/**
 * Winograd's transforms of one line. Results are written `to` bytes apart; a vector holds four
 * channels. The names of the matrices are those of sizes.ts.
 */

/** k · x in each lane. */
// @ts-ignore: decorator
@inline
export function times(k: f32, x: v128): v128 {
  return f32x4.mul(f32x4.splat(k), x)
}

/** Bᵀ, 6 → 6. */
// @ts-ignore: decorator
@inline
export function patch(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  dst: usize,
  to: usize,
): void {
  const p = f32x4.sub(x4, times(4, x2))
  const q = f32x4.sub(x3, times(4, x1))
  const r = f32x4.sub(x4, x2)
  const s = times(2, f32x4.sub(x3, x1))
  v128.store(dst, f32x4.add(times(4, f32x4.sub(x0, x2)), r))
  v128.store(dst + to, f32x4.add(p, q))
  v128.store(dst + to * 2, f32x4.sub(p, q))
  v128.store(dst + to * 3, f32x4.add(r, s))
  v128.store(dst + to * 4, f32x4.sub(r, s))
  v128.store(dst + to * 5, f32x4.sub(f32x4.sub(x5, x3), times(2, s)))
}

/** G, 3 → 6. */
// @ts-ignore: decorator
@inline
export function kernel(x0: v128, x1: v128, x2: v128, dst: usize, to: usize): void {
  const even1 = times(-1.0 / 6.0, f32x4.add(x0, x2))
  const odd1 = times(-1.0 / 6.0, x1)
  const even2 = f32x4.add(times(1.0 / 24.0, x0), times(1.0 / 6.0, x2))
  const odd2 = times(1.0 / 12.0, x1)
  v128.store(dst, times(0.25, x0))
  v128.store(dst + to, f32x4.add(even1, odd1))
  v128.store(dst + to * 2, f32x4.sub(even1, odd1))
  v128.store(dst + to * 3, f32x4.add(even2, odd2))
  v128.store(dst + to * 4, f32x4.sub(even2, odd2))
  v128.store(dst + to * 5, x2)
}

/** G', 4 → 6. */
// @ts-ignore: decorator
@inline
export function tile(x0: v128, x1: v128, x2: v128, x3: v128, dst: usize, to: usize): void {
  const even1 = times(-1.0 / 6.0, f32x4.add(x0, x2))
  const odd1 = times(-1.0 / 6.0, f32x4.add(x1, x3))
  const even2 = f32x4.add(times(1.0 / 24.0, x0), times(1.0 / 6.0, x2))
  const odd2 = f32x4.add(times(1.0 / 12.0, x1), times(1.0 / 3.0, x3))
  v128.store(dst, times(0.25, x0))
  v128.store(dst + to, f32x4.add(even1, odd1))
  v128.store(dst + to * 2, f32x4.sub(even1, odd1))
  v128.store(dst + to * 3, f32x4.add(even2, odd2))
  v128.store(dst + to * 4, f32x4.sub(even2, odd2))
  v128.store(dst + to * 5, x3)
}

/** Aᵀ, 6 → 4, written to four addresses. */
// @ts-ignore: decorator
@inline
export function output(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  d0: usize,
  d1: usize,
  d2: usize,
  d3: usize,
): void {
  const s1 = f32x4.add(x1, x2)
  const t1 = f32x4.sub(x1, x2)
  const s2 = f32x4.add(x3, x4)
  const t2 = f32x4.sub(x3, x4)
  v128.store(d0, f32x4.add(f32x4.add(x0, s1), s2))
  v128.store(d1, f32x4.add(t1, times(2, t2)))
  v128.store(d2, f32x4.add(s1, times(4, s2)))
  v128.store(d3, f32x4.add(f32x4.add(t1, times(8, t2)), x5))
}

/**
 * A'ᵀ, 6 → 3, written to three addresses. With `last` the results are multiplied by `factor`, and
 * with `add` as well they are added (+=).
 */
// @ts-ignore: decorator
@inline
export function taps(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  x5: v128,
  last: bool,
  factor: v128,
  add: bool,
  d0: usize,
  d1: usize,
  d2: usize,
): void {
  const s1 = f32x4.add(x1, x2)
  const s2 = f32x4.add(x3, x4)
  let y0 = f32x4.add(f32x4.add(x0, s1), s2)
  let y1 = f32x4.add(f32x4.sub(x1, x2), times(2, f32x4.sub(x3, x4)))
  let y2 = f32x4.add(f32x4.add(s1, times(4, s2)), x5)
  if (last) {
    y0 = f32x4.mul(factor, y0)
    y1 = f32x4.mul(factor, y1)
    y2 = f32x4.mul(factor, y2)
  }
  if (last && add) {
    y0 = f32x4.add(v128.load(d0), y0)
    y1 = f32x4.add(v128.load(d1), y1)
    y2 = f32x4.add(v128.load(d2), y2)
  }
  v128.store(d0, y0)
  v128.store(d1, y1)
  v128.store(d2, y2)
}
