/** Channels of several tensors in a row, and the way back. */

import { address, word } from '../base/record'
import { JoinPart, JoinWord, SplitWord } from '../opcodes'

/**
 * Out [Pixels][T][C] of an image = the channels of the parts in a row, zeros behind them. A part of
 * more pixels than Out gives its channel c of pixel p to channel c·pixels + p (PyTorch's order of
 * flattened images). Unit = image. Scratch: none.
 */
export function join(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>word(rec, JoinWord.C)
  const T = <usize>word(rec, JoinWord.T)
  const pixels = <usize>word(rec, JoinWord.Pixels)
  const bytes = (pixels * T * C) << 2
  const out = address(rec, JoinWord.Out) + <usize>unit * bytes
  memory.fill(out, 0, bytes)
  const parts = address(rec, JoinWord.Parts)
  for (let i = 0; i < word(rec, JoinWord.Count); i++) {
    const part = parts + <usize>(i * JoinPart.Bytes)
    const partPixels = <usize>word(part, JoinPart.Pixels)
    const partC = <usize>word(part, JoinPart.C)
    const channels = <usize>word(part, JoinPart.Channels)
    const rows = <usize>word(part, JoinPart.Rows)
    const from = address(part, JoinPart.From) + ((<usize>unit * partPixels * rows * partC) << 2)
    const to = out + ((<usize>word(part, JoinPart.Offset)) << 2)
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
export function joinSpikes(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const planes = (word(rec, JoinWord.T) + 7) >> 3
  for (let plane = 0; plane < planes; plane++) joinBytes(rec, unit, plane)
  if (address(rec, JoinWord.Counts)) joinBytes(rec, unit, -1)
}

/** A plane of masks; −1: the counts. */
function joinBytes(rec: usize, unit: i32, plane: i32): void {
  const C = <usize>word(rec, JoinWord.C)
  const pixels = <usize>word(rec, JoinWord.Pixels)
  const all =
    plane < 0
      ? address(rec, JoinWord.Counts)
      : address(rec, JoinWord.Out) + <usize>plane * address(rec, JoinWord.PlaneBytes)
  const out = all + <usize>unit * pixels * C
  memory.fill(out, 0, pixels * C)
  const parts = address(rec, JoinWord.Parts)
  for (let i = 0; i < word(rec, JoinWord.Count); i++) {
    const part = parts + <usize>(i * JoinPart.Bytes)
    const partPixels = <usize>word(part, JoinPart.Pixels)
    const partC = <usize>word(part, JoinPart.C)
    const channels = <usize>word(part, JoinPart.Channels)
    const from =
      (plane < 0
        ? address(part, JoinPart.Counts)
        : address(part, JoinPart.From) + <usize>plane * address(part, JoinPart.PlaneBytes)) +
      <usize>unit * partPixels * partC
    const to = out + <usize>word(part, JoinPart.Offset)
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
export function split(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = <usize>word(rec, SplitWord.C)
  const inC = <usize>word(rec, SplitWord.InC)
  const T = <usize>word(rec, SplitWord.T)
  const pixels = <usize>word(rec, SplitWord.Pixels)
  const inPixels = <usize>word(rec, SplitWord.InPixels)
  const channels = <usize>word(rec, SplitWord.Channels)
  const bytes = (pixels * T * C) << 2
  const out = address(rec, SplitWord.Out) + <usize>unit * bytes
  const from =
    address(rec, SplitWord.In) +
    ((<usize>unit * inPixels * T * inC + <usize>word(rec, SplitWord.Offset)) << 2)
  memory.fill(out, 0, bytes)
  const flat = pixels != inPixels
  for (let pixel: usize = 0; pixel < pixels; pixel++)
    for (let step: usize = 0; step < T; step++) {
      const to = out + (((pixel * T + step) * C) << 2)
      if (flat) spread(to, 4, from + ((step * inC + pixel) << 2), pixels << 2, channels)
      else memory.copy(to, from + (((pixel * T + step) * inC) << 2), channels << 2)
    }
}
