/**
 * Winograd's transforms of one line for the input gradient of stride 2. Results are written `to`
 * bytes apart; a vector holds four channels. The equations are in stride-gradient.ts.
 */

import { times } from './lines'

/** Four pixels as they are, and Bᵀ: 5 → 9. */
// @ts-ignore: decorator
@inline
export function patchLine(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  dst: usize,
  to: usize,
): void {
  v128.store(dst, x0)
  v128.store(dst + to, x1)
  v128.store(dst + to * 2, x2)
  v128.store(dst + to * 3, x3)
  const s = f32x4.sub(x3, x1)
  v128.store(dst + to * 4, f32x4.add(s, times(2, f32x4.sub(x0, x2))))
  v128.store(dst + to * 5, f32x4.sub(f32x4.sub(s, x1), x2))
  v128.store(dst + to * 6, f32x4.add(s, times(3, f32x4.sub(x1, x2))))
  v128.store(dst + to * 7, s)
  v128.store(dst + to * 8, f32x4.sub(f32x4.sub(x4, x2), times(2, s)))
}

/** The middle tap as it is, and G of the outer two: 3 → 6. The taps are rotated. */
// @ts-ignore: decorator
@inline
export function kernelLine(x0: v128, x1: v128, x2: v128, dst: usize, to: usize): void {
  v128.store(dst, x1)
  v128.store(dst + to, times(0.5, x0))
  v128.store(dst + to * 2, times(-0.5, f32x4.add(x0, x2)))
  v128.store(dst + to * 3, times(1.0 / 6.0, f32x4.sub(x2, x0)))
  v128.store(dst + to * 4, f32x4.add(times(1.0 / 6.0, x0), times(1.0 / 3.0, x2)))
  v128.store(dst + to * 5, x2)
}

/** Aᵀ, 5 → 4, written to four addresses. */
// @ts-ignore: decorator
@inline
export function oddPixels(
  x0: v128,
  x1: v128,
  x2: v128,
  x3: v128,
  x4: v128,
  d0: usize,
  d1: usize,
  d2: usize,
  d3: usize,
): void {
  const s = f32x4.add(x1, x2)
  const t = f32x4.sub(x1, x2)
  v128.store(d0, f32x4.add(f32x4.add(x0, s), x3))
  v128.store(d1, f32x4.add(t, times(2, x3)))
  v128.store(d2, f32x4.add(s, times(4, x3)))
  v128.store(d3, f32x4.add(f32x4.add(t, times(8, x3)), x4))
}
