/** The same numbers at other places: parts of channels, other orders, other shapes. */

import { RearrangeRecord } from '../generated/records'

/**
 * Out (c, y, x) of an image = number n = offset + c·channelStride + y·rowStride + x·pixelStride of
 * In's [C][H][W]; with Back, Out's number n += In (c, y, x). Everything else of Out = 0. Unit =
 * image, of spikes of one plane. Scratch: none.
 */
export function rearrange(rec: RearrangeRecord, unit: i32, t: i32, scratch: usize): void {
  const shift: usize = rec.bytes ? 0 : 2
  const T = rec.steps
  const row = rec.stored << shift
  const otherRow = rec.otherStored << shift
  const otherPixels = rec.otherPixels
  const bytes = rec.pixels * T * row
  const otherBytes = otherPixels * T * otherRow
  const back = rec.back
  const out = rec.out + <usize>unit * (back ? otherBytes : bytes)
  const input = rec.in + (rec.shared ? 0 : <usize>unit * (back ? bytes : otherBytes))
  memory.fill(out, 0, back ? otherBytes : bytes)
  const channels = rec.channels
  // A step of one channel, in channels and pixels of the other.
  const next = rec.channelStride / otherPixels
  const nextPixel = rec.channelStride % otherPixels
  for (let pixel: usize = 0; pixel < rec.pixels; pixel++) {
    const y = pixel / rec.width
    const n = rec.offset + y * rec.rowStride + (pixel - y * rec.width) * rec.pixelStride
    let channel = n / otherPixels
    let otherPixel = n % otherPixels
    for (let c: usize = 0; c < channels; c++) {
      const here = pixel * T * row + (c << shift)
      const there = otherPixel * T * otherRow + (channel << shift)
      const to = out + (back ? there : here)
      const from = input + (back ? here : there)
      if (rec.bytes) store<u8>(to, load<u8>(from))
      else moveSteps(to, back ? otherRow : row, from, back ? row : otherRow, T, back != 0)
      channel += next
      otherPixel += nextPixel
      if (otherPixel >= otherPixels) {
        otherPixel -= otherPixels
        channel++
      }
    }
  }
}

/** One number at each step, with `add` to what is there. */
export function moveSteps(
  to: usize,
  toRow: usize,
  from: usize,
  row: usize,
  steps: usize,
  add: bool,
): void {
  for (; steps > 0; steps--) {
    store<f32>(to, add ? load<f32>(to) + load<f32>(from) : load<f32>(from))
    to += toRow
    from += row
  }
}
