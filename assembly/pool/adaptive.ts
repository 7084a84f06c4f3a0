/** Average pooling to a size that need not divide the input's (PyTorch's adaptive pooling). */

import { addScaledRow, addToRow, scaleRow } from '../activity/rows'
import { endOf } from '../base/units'
import { AdaptiveRecord } from '../generated/records'

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

/** How many places it reads. */
// @ts-ignore: decorator
@inline
function placesOf(i: i32, size: i32, windows: i32): i32 {
  return stopOf(i, size, windows) - startOf(i, size, windows)
}

/**
 * Out[oy][ox] = mean of In over the rows ⌊oy·inH/outH⌋ … ⌈(oy + 1)·inH/outH⌉ − 1 and columns alike,
 * for each row (t, c). Out is written. Unit = pixelsPerUnit pixels of Out. Scratch: none.
 */
export function adaptivePool(rec: AdaptiveRecord, unit: i32, t: i32, scratch: usize): void {
  poolTo(rec, unit, false, rec.inH, rec.inW, rec.outH, rec.outW)
}

/**
 * Out[y][x] = Σ of In[oy][ox] / (pixels of its window) over the windows that hold the pixel. Out is
 * written. Unit = pixelsPerUnit pixels of Out. Scratch: none.
 */
export function adaptivePoolBackward(rec: AdaptiveRecord, unit: i32, t: i32, scratch: usize): void {
  poolTo(rec, unit, true, rec.outH, rec.outW, rec.inH, rec.inW)
}

/**
 * Images of H × W become those of toH × toW. Windows of which a place is part are the places of a
 * window the other way round, so that both ways read the same.
 */
function poolTo(
  rec: AdaptiveRecord,
  unit: i32,
  back: bool,
  H: i32,
  W: i32,
  toH: i32,
  toW: i32,
): void {
  const bytes = (<usize>(rec.channels * rec.steps)) << 2
  const per = rec.pixelsPerUnit
  const end = endOf(rec.images * toH * toW, per, unit)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / toW
    const ox = pixel % toW
    const oy = line % toH
    const image = line / toH
    const y0 = startOf(oy, H, toH)
    const y1 = stopOf(oy, H, toH)
    const x0 = startOf(ox, W, toW)
    const x1 = stopOf(ox, W, toW)
    const out = rec.out + <usize>pixel * bytes
    memory.fill(out, 0, bytes)
    for (let y = y0; y < y1; y++)
      for (let x = x0; x < x1; x++) {
        const from = rec.in + <usize>((image * H + y) * W + x) * bytes
        if (back) {
          const size = placesOf(y, toH, H) * placesOf(x, toW, W)
          addScaledRow(out, from, <f32>1 / <f32>size, bytes)
        } else addToRow(out, from, bytes)
      }
    if (!back) scaleRow(out, <f32>1 / <f32>((y1 - y0) * (x1 - x0)), bytes)
  }
}
