/** Gradients of what neurons learn: sums of products over neurons, in float64. */

import { endOf } from '../base/units'
import { LearnFinishRecord, LearnRecord } from '../generated/records'

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
 * [imagePixels][C] = the sum over images. Unit = pixelsPerUnit pixels, of an image where Partial is
 * 0. Scratch: float64 [C].
 */
export function learnGradient(rec: LearnRecord, unit: i32, t: i32, scratch: usize): void {
  const per = rec.pixelsPerUnit
  const pixels = rec.pixels
  const partial = rec.partial
  const image = rec.imagePixels
  const channels = rec.channels
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
    const out = rec.out + ((<usize>pixel * channels) << 2)
    for (let c: usize = 0; c < channels; c++)
      store<f32>(out + (c << 2), <f32>load<f64>(sums + (c << 3)))
  }
}

function addPixel(rec: LearnRecord, pixel: i32, sums: usize, channels: usize): void {
  const row = <usize>pixel * rec.rows + rec.row
  const delta = rec.delta
  addProducts(
    sums,
    rec.traces + ((row * channels) << 2),
    delta ? delta + ((<usize>pixel * channels) << 2) : 0,
    channels,
  )
}

/** Out [C], or a scalar, = the sum of Partial [Units][C] float64. One unit. Scratch: none. */
export function learnFinish(rec: LearnFinishRecord, unit: i32, t: i32, scratch: usize): void {
  const channels = rec.channels
  const units = rec.units
  const out = rec.out
  const isScalar = rec.scalar != 0
  let total: f64 = 0
  for (let c: usize = 0; c < channels; c++) {
    let from = rec.partial + (c << 3)
    let sum: f64 = 0
    for (let i = 0; i < units; i++, from += channels << 3) sum += load<f64>(from)
    total += sum
    if (!isScalar) store<f32>(out + (c << 2), <f32>sum)
  }
  if (isScalar) store<f32>(out, <f32>total)
}
