/** Planes of pixels, moved and mirrored as one. */

export interface PlaneSize {
  readonly height: number
  readonly width: number
}

/** How planes move, and what lies beyond their edges. */
interface Move {
  readonly dx: number
  readonly dy: number
  /** Left and right, once the window is cut out. */
  readonly mirror: boolean
  /** A value, the plane mirrored at its edge (which is not repeated), or its other side. */
  readonly beyond: number | 'reflected' | 'other side'
}

/**
 * out(x, y) = input(x' + dx, y + dy) in each plane, with x' = x, or width − 1 − x if `mirror`.
 *
 * @param out another array than `input`
 */
export function move<A extends Uint8Array | Float32Array>(
  out: A,
  input: A,
  { height, width }: PlaneSize,
  { dx, dy, mirror, beyond }: Move,
): void {
  const [start, step, by] = mirror ? [width - 1 + dx, -1, -dx] : [dx, 1, dx]
  const [first, end] = [Math.max(0, -by), Math.min(width, width - by)]
  const inside = Math.max(0, end - first)
  const outside = typeof beyond === 'number' ? 0 : width - inside
  if (typeof beyond === 'number') out.fill(beyond)
  for (let plane = 0; plane < out.length; plane += height * width)
    for (let y = 0; y < height; y++) {
      const row = placeOf(y + dy, height, beyond)
      if (row < 0) continue
      const [to, from] = [plane + y * width, plane + row * width]
      let at = from + start + step * first
      for (let x = first; x < end; x++, at += step) out[to + x] = input[at]
      for (let i = 0; i < outside; i++) {
        const x = i < first ? i : i + inside
        out[to + x] = input[from + placeOf(start + step * x, width, beyond)]
      }
    }
}

/** What a place along an axis shows; −1 where nothing lies. */
function placeOf(at: number, size: number, beyond: Move['beyond']): number {
  if (at >= 0 && at < size) return at
  if (beyond === 'reflected') return at < 0 ? -at : 2 * size - 2 - at
  return beyond === 'other side' ? ((at % size) + size) % size : -1
}
