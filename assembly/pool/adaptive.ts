/** Average pooling to a size that need not divide the input's (PyTorch's adaptive pooling). */

import { addScaledRow, addToRow, scaleRow } from '../activity/rows'
import { address, word } from '../base/record'
import { AdaptiveWord } from '../opcodes'
import { endOf } from './units'

/** The first of `size` places that window i of `windows` reads. */
// @ts-ignore: decorator
@inline
function startOf(i: i32, size: i32, windows: i32): i32 {
  return <i32>((<i64>i * size) / windows)
}

/** The place behind its last. */
// @ts-ignore: decorator
@inline
function stopOf(i: i32, size: i32, windows: i32): i32 {
  return <i32>((<i64>(i + 1) * size + windows - 1) / windows)
}

/**
 * Out[oy][ox] = mean of In over the rows ⌊oy·InH/OutH⌋ … ⌈(oy + 1)·InH/OutH⌉ − 1 and columns alike,
 * for each row (t, c). Out is written. Unit = PixelsPerUnit pixels of Out. Scratch: none.
 */
export function adaptivePool(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const H = word(rec, AdaptiveWord.InH)
  const W = word(rec, AdaptiveWord.InW)
  const OH = word(rec, AdaptiveWord.OutH)
  const OW = word(rec, AdaptiveWord.OutW)
  const bytes = (<usize>(word(rec, AdaptiveWord.C) * word(rec, AdaptiveWord.T))) << 2
  const per = word(rec, AdaptiveWord.PixelsPerUnit)
  const end = endOf(word(rec, AdaptiveWord.Images) * OH * OW, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / OW
    const ox = pixel % OW
    const oy = line % OH
    const image = line / OH
    const y0 = startOf(oy, H, OH)
    const y1 = stopOf(oy, H, OH)
    const x0 = startOf(ox, W, OW)
    const x1 = stopOf(ox, W, OW)
    const out = address(rec, AdaptiveWord.Out) + <usize>pixel * bytes
    memory.fill(out, 0, bytes)
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++)
        addToRow(
          out,
          address(rec, AdaptiveWord.In) + <usize>((image * H + y) * W + x) * bytes,
          bytes,
        )
    scaleRow(out, <f32>1 / <f32>((y1 - y0) * (x1 - x0)), bytes)
  }
}

/**
 * Out[y][x] = Σ of In[oy][ox] / (pixels of its window) over the windows that hold the pixel. Out is
 * written. Unit = PixelsPerUnit pixels of Out. Scratch: none.
 */
export function adaptivePoolBackward(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const H = word(rec, AdaptiveWord.InH)
  const W = word(rec, AdaptiveWord.InW)
  const OH = word(rec, AdaptiveWord.OutH)
  const OW = word(rec, AdaptiveWord.OutW)
  const bytes = (<usize>(word(rec, AdaptiveWord.C) * word(rec, AdaptiveWord.T))) << 2
  const per = word(rec, AdaptiveWord.PixelsPerUnit)
  const end = endOf(word(rec, AdaptiveWord.Images) * H * W, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / W
    const x = pixel % W
    const y = line % H
    const image = line / H
    // Windows of which a place is part are the places of a window the other way round.
    const oy1 = stopOf(y, OH, H)
    const ox0 = startOf(x, OW, W)
    const ox1 = stopOf(x, OW, W)
    const out = address(rec, AdaptiveWord.Out) + <usize>pixel * bytes
    memory.fill(out, 0, bytes)
    for (let oy = startOf(y, OH, H); oy < oy1; oy++) {
      const height = stopOf(oy, H, OH) - startOf(oy, H, OH)
      for (let ox = ox0; ox < ox1; ox++) {
        const width = stopOf(ox, W, OW) - startOf(ox, W, OW)
        addScaledRow(
          out,
          address(rec, AdaptiveWord.In) + <usize>((image * OH + oy) * OW + ox) * bytes,
          <f32>1 / <f32>(height * width),
          bytes,
        )
      }
    }
  }
}
