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

/** @param data [frames][height][width][2] */
export function moveFrames(
  data: Float32Array,
  { frames, height, width, mirrored, right, down, wraps }: FrameMove,
): void {
  const size = height * width * 2
  const old = new Float32Array(size)
  for (let t = 0; t < frames; t++) {
    const frame = data.subarray(t * size, (t + 1) * size)
    old.set(frame)
    for (let y = 0; y < height; y++)
      for (let x = 0; x < width; x++) {
        const [fromY, movedX] = [y - down, x - right]
        const isIn = fromY >= 0 && fromY < height && movedX >= 0 && movedX < width
        const to = (y * width + x) * 2
        const row = modulo(fromY, height)
        const column = modulo(movedX, width)
        const from = (row * width + (mirrored ? width - 1 - column : column)) * 2
        frame[to] = wraps || isIn ? old[from] : 0
        frame[to + 1] = wraps || isIn ? old[from + 1] : 0
      }
  }
}

const modulo = (a: number, n: number): number => ((a % n) + n) % n
