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

import { resizeBy, type Taps, tapsOf } from '../pictures/resize.js'

/** Makes frames of one size smaller, one after another. */
export class OfficialResize {
  private readonly across: Taps
  private readonly down: Taps
  /** [H][W] of a channel. */
  private readonly planes: readonly [Uint8Array, Uint8Array]

  constructor(
    from: readonly [height: number, width: number],
    to: readonly [height: number, width: number],
  ) {
    this.across = tapsOf(from[1], 0, from[1], to[1])
    this.down = tapsOf(from[0], 0, from[0], to[0])
    const pixels = from[0] * from[1]
    this.planes = [new Uint8Array(pixels), new Uint8Array(pixels)]
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

  private resize(data: Uint8Array): Uint8Array {
    const { across, down } = this
    return resizeBy({ data, width: across.input, channels: 1 }, across, down, 1)
  }
}
