/** Frames moved and mirrored in place. */

/** How all frames of a sample move. */
export interface FrameMove {
  readonly frames: number
  readonly height: number
  readonly width: number
  /** Left and right, before the move (`torch.flip`). */
  readonly mirrored: boolean
  readonly right: number
  readonly down: number
  /** Whether what leaves comes in on the other side (`torch.roll`), or zeros do. */
  readonly wraps: boolean
}

/** @param data [frames][2][height][width] */
export function moveFrames(
  data: Float32Array,
  { frames, height, width, mirrored, right, down, wraps }: FrameMove,
): void {
  const size = height * width
  const old = new Float32Array(size)
  for (let plane = 0; plane < 2 * frames; plane++) {
    const moved = data.subarray(plane * size, (plane + 1) * size)
    old.set(moved)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [fromY, movedX] = [y - down, x - right]
        const isIn = fromY >= 0 && fromY < height && movedX >= 0 && movedX < width
        const row = modulo(fromY, height)
        const column = modulo(movedX, width)
        const from = row * width + (mirrored ? width - 1 - column : column)
        moved[y * width + x] = wraps || isIn ? old[from] : 0
      }
  }
}

const modulo = (a: number, n: number): number => ((a % n) + n) % n
