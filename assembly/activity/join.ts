/** Channels of several tensors in a row, and the way back. */

import { JoinRecord, Part, SpikePart, SplitRecord } from '../generated/records'

/**
 * Out [Pixels][T][C] of an image = the channels of the parts in a row, zeros behind them. A part of
 * more pixels than Out gives its channel c of pixel p to channel c·pixels + p (PyTorch's order of
 * flattened images). Unit = image. Scratch: none.
 */
export function join(rec: JoinRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const T = <usize>rec.steps
  const pixels = rec.pixels
  const bytes = (pixels * T * C) << 2
  const out = rec.out + <usize>unit * bytes
  memory.fill(out, 0, bytes)
  const parts = rec.tensors
  for (let i = 0; i < rec.count; i++) {
    const part = changetype<Part>(parts + <usize>(i * offsetof<Part>()))
    const partPixels = part.pixels
    const partC = part.stored
    const channels = part.channels
    const rows = part.rows
    const from = part.from + ((<usize>unit * partPixels * rows * partC) << 2)
    const to = out + (part.offset << 2)
    const flat = partPixels != pixels
    for (let pixel: usize = 0; pixel < partPixels; pixel++)
      for (let step: usize = 0; step < T; step++) {
        const src = from + (((pixel * rows + (rows == 1 ? 0 : step)) * partC) << 2)
        if (flat) spread(to + ((step * C + pixel) << 2), partPixels << 2, src, 4, channels)
        else memory.copy(to + (((pixel * T + step) * C) << 2), src, channels << 2)
      }
  }
}

/** Copies floats from places so many bytes apart to others. */
export function spread(
  to: usize,
  toBytes: usize,
  from: usize,
  fromBytes: usize,
  count: usize,
): void {
  for (let i: usize = 0; i < count; i++) {
    store<f32>(to, load<f32>(from))
    to += toBytes
    from += fromBytes
  }
}

/** Copies bytes to places so many bytes apart. */
export function spreadBytes(to: usize, toBytes: usize, from: usize, count: usize): void {
  for (let i: usize = 0; i < count; i++) {
    store<u8>(to, load<u8>(from + i))
    to += toBytes
  }
}

/**
 * The same of spikes: masks and counts of an image. Counts are those of the parts so far. Unit =
 * image. Scratch: none.
 */
export function joinSpikes(rec: JoinRecord, unit: i32, t: i32, scratch: usize): void {
  const planes = (rec.steps + 7) >> 3
  for (let plane = 0; plane < planes; plane++) joinBytes(rec, unit, plane)
  if (rec.counts) joinBytes(rec, unit, -1)
}

/** A plane of masks; −1: the counts. */
function joinBytes(rec: JoinRecord, unit: i32, plane: i32): void {
  const C = rec.channels
  const pixels = rec.pixels
  const all = plane < 0 ? rec.counts : rec.out + <usize>plane * rec.planeBytes
  const out = all + <usize>unit * pixels * C
  memory.fill(out, 0, pixels * C)
  const parts = rec.parts
  for (let i = 0; i < rec.count; i++) {
    const part = changetype<SpikePart>(parts + <usize>(i * offsetof<SpikePart>()))
    const partPixels = part.pixels
    const partC = part.stored
    const channels = part.channels
    const from =
      (plane < 0 ? part.counts : part.from + <usize>plane * part.planeBytes) +
      <usize>unit * partPixels * partC
    const to = out + part.offset
    const flat = partPixels != pixels
    for (let pixel: usize = 0; pixel < partPixels; pixel++) {
      const src = from + pixel * partC
      if (flat) spreadBytes(to + pixel, partPixels, src, channels)
      else memory.copy(to + pixel * C, src, channels)
    }
  }
}

/**
 * Out [Pixels][T][C] of an image = In's channels from Offset on, as `join` has put them there;
 * zeros in channels behind. Unit = image. Scratch: none.
 */
export function split(rec: SplitRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.stored
  const inC = rec.inChannels
  const T = rec.steps
  const pixels = rec.pixels
  const inPixels = rec.inPixels
  const channels = rec.channels
  const bytes = (pixels * T * C) << 2
  const out = rec.out + <usize>unit * bytes
  const from = rec.in + ((<usize>unit * inPixels * T * inC + rec.offset) << 2)
  memory.fill(out, 0, bytes)
  const flat = pixels != inPixels
  for (let pixel: usize = 0; pixel < pixels; pixel++)
    for (let step: usize = 0; step < T; step++) {
      const to = out + (((pixel * T + step) * C) << 2)
      if (flat) spread(to, 4, from + ((step * inC + pixel) << 2), pixels << 2, channels)
      else memory.copy(to, from + (((pixel * T + step) * inC) << 2), channels << 2)
    }
}
