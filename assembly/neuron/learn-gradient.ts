/** Gradients of what neurons learn: sums of products over neurons, in float64. */

import { address, word } from '../base/record'
import { endOf } from '../base/units'
import { LearnFinishWord, LearnWord } from '../opcodes'

/** out [C] float64 += a · b; b 0: += a. */
export function addProducts(out: usize, a: usize, b: usize, channels: usize): void {
  const ones = f64x2.splat(1)
  for (let c: usize = 0; c < channels; c += 2) {
    const x = f64x2.promote_low_f32x4(v128.load64_zero(a + (c << 2)))
    const y = b ? f64x2.promote_low_f32x4(v128.load64_zero(b + (c << 2))) : ones
    const to = out + (c << 3)
    v128.store(to, f64x2.add(v128.load(to), f64x2.mul(x, y)))
  }
}

/**
 * Partial [units][C] float64 = Σ Delta·Traces over the pixels of a unit; where Partial is 0, Out
 * [ImagePixels][C] = the sum over images. Unit = PixelsPerUnit pixels, of an image where Partial is
 * 0. Scratch: float64 [C].
 */
export function learnGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const per = word(rec, LearnWord.PixelsPerUnit)
  const pixels = word(rec, LearnWord.Pixels)
  const partial = address(rec, LearnWord.Partial)
  const image = word(rec, LearnWord.ImagePixels)
  const channels = address(rec, LearnWord.C)
  const first = unit * per
  const end = endOf(partial ? pixels : image, per, unit)
  const sums = partial ? partial + <usize>unit * (channels << 3) : scratch
  if (partial) memory.fill(sums, 0, channels << 3)
  for (let pixel = first; pixel < end; pixel++) {
    if (partial) {
      addPixel(rec, pixel, sums, channels)
      continue
    }
    memory.fill(sums, 0, channels << 3)
    for (let each = pixel; each < pixels; each += image) addPixel(rec, each, sums, channels)
    const out = address(rec, LearnWord.Out) + ((<usize>pixel * channels) << 2)
    for (let c: usize = 0; c < channels; c++)
      store<f32>(out + (c << 2), <f32>load<f64>(sums + (c << 3)))
  }
}

function addPixel(rec: usize, pixel: i32, sums: usize, channels: usize): void {
  const row = <usize>pixel * address(rec, LearnWord.Rows) + address(rec, LearnWord.Row)
  const delta = address(rec, LearnWord.Delta)
  addProducts(
    sums,
    address(rec, LearnWord.Traces) + ((row * channels) << 2),
    delta ? delta + ((<usize>pixel * channels) << 2) : 0,
    channels,
  )
}

/** Out [C], or a scalar, = the sum of Partial [Units][C] float64. One unit. Scratch: none. */
export function learnFinish(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const channels = address(rec, LearnFinishWord.C)
  const units = word(rec, LearnFinishWord.Units)
  const out = address(rec, LearnFinishWord.Out)
  const isScalar = word(rec, LearnFinishWord.Scalar) != 0
  let total: f64 = 0
  for (let c: usize = 0; c < channels; c++) {
    let from = address(rec, LearnFinishWord.Partial) + (c << 3)
    let sum: f64 = 0
    for (let i = 0; i < units; i++, from += channels << 3) sum += load<f64>(from)
    total += sum
    if (!isScalar) store<f32>(out + (c << 2), <f32>sum)
  }
  if (isScalar) store<f32>(out, <f32>total)
}
