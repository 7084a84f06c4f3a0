/**
 * Frames of CIFAR10-DVS made smaller exactly as the official code of rate-based backpropagation
 * does: `ToPILImage`, `Resize((48, 48))`, `ToTensor` on float frames of counts (Yu et al., NeurIPS
 * 2024, `util/data.py`; the code comes from TET, Deng et al. 2022).
 *
 * What that does to the numbers, since counts are no shares of one:
 *
 * 1. `ToPILImage` multiplies by 255 and keeps the low byte: n events become (255 · n) mod 256,
 *    which is 256 − n for 1 ≤ n ≤ 256. One event is nearly white, many are darker.
 * 2. Two channels are taken for grey with transparency ("LA"). Pillow then resizes the
 *    premultiplied picture: OFF · ON / 255 and ON, bilinear over the whole
 *    window, and divides again. Where ON is 0, OFF is lost.
 * 3. `ToTensor` divides by 255.
 *
 * Source of the arithmetic: Pillow 11 `Resample.c` and `Convert.c`, torchvision 0.18
 * `functional.to_pil_image`.
 */

/** Bits behind the point of Pillow's weights. */
const BITS = 22

interface Weights {
  readonly first: Int32Array
  readonly count: Int32Array
  /** [out][size] */
  readonly values: Int32Array
  readonly size: number
}

/** A triangle as wide as the window of one pixel, in fixed point. */
function weightsOf(from: number, to: number): Weights {
  const scale = from / to
  const support = Math.max(1, scale)
  const size = 2 * Math.ceil(support) + 1
  const [first, count] = [new Int32Array(to), new Int32Array(to)]
  const values = new Int32Array(to * size)
  const taps = new Float64Array(size)
  for (let i = 0; i < to; i++) {
    const centre = (i + 0.5) * scale
    first[i] = Math.max(0, Math.trunc(centre - support + 0.5))
    count[i] = Math.min(from, Math.trunc(centre + support + 0.5)) - first[i]
    let sum = 0
    for (let k = 0; k < count[i]; k++) {
      const distance = Math.abs((k + first[i] - centre + 0.5) / support)
      taps[k] = distance < 1 ? 1 - distance : 0
      sum += taps[k]
    }
    for (let k = 0; k < count[i]; k++)
      values[i * size + k] = Math.trunc(0.5 + (taps[k] / sum) * 2 ** BITS)
  }
  return { first, count, values, size }
}

/** Makes frames of one size smaller, one after another. */
export class OfficialResize {
  private readonly across: Weights
  private readonly down: Weights
  /** [H][W] and [H][W'] of a channel. */
  private readonly planes: readonly [Uint8Array, Uint8Array]
  private readonly middle: Uint8Array

  constructor(
    private readonly from: readonly [height: number, width: number],
    private readonly to: readonly [height: number, width: number],
  ) {
    this.across = weightsOf(from[1], to[1])
    this.down = weightsOf(from[0], to[0])
    const pixels = from[0] * from[1]
    this.planes = [new Uint8Array(pixels), new Uint8Array(pixels)]
    this.middle = new Uint8Array(from[0] * to[1])
  }

  /**
   * @param counts [2][H][W], from `at`
   * @param out [2][H'][W'], from `to`, in 0 … 1
   */
  run(counts: Float32Array, at: number, out: Float32Array, to: number): void {
    const [off, on] = this.planes
    for (let i = 0; i < off.length; i++) {
      on[i] = 255 * counts[at + off.length + i]
      const product = ((255 * counts[at + i]) & 255) * on[i] + 128
      off[i] = ((product >> 8) + product) >> 8
    }
    const alpha = this.resize(on)
    const grey = this.resize(off)
    for (let i = 0; i < alpha.length; i++) {
      const share = alpha[i]
      const plain =
        share === 0 || share === 255 ? grey[i] : Math.min(255, Math.trunc((255 * grey[i]) / share))
      out[to + i] = plain / 255
      out[to + alpha.length + i] = share / 255
    }
  }

  private resize(plane: Uint8Array): Uint8Array {
    const { across, down, middle } = this
    const [[height, width], [rows, columns]] = [this.from, this.to]
    for (let y = 0; y < height; y++)
      for (let x = 0; x < columns; x++)
        middle[y * columns + x] = weighted(plane, y * width + across.first[x], 1, across, x)
    const out = new Uint8Array(rows * columns)
    for (let y = 0; y < rows; y++)
      for (let x = 0; x < columns; x++)
        out[y * columns + x] = weighted(middle, down.first[y] * columns + x, columns, down, y)
    return out
  }
}

function weighted(
  bytes: Uint8Array,
  begin: number,
  stride: number,
  { count, values, size }: Weights,
  index: number,
): number {
  let sum = 2 ** (BITS - 1)
  for (let k = 0; k < count[index]; k++) sum += bytes[begin + k * stride] * values[index * size + k]
  return Math.min(255, sum >> BITS)
}
