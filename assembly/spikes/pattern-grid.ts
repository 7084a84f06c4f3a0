/**
 * Grids of δ for the weight gradient from lists of spike patterns (pattern-gradient.ts): the cell
 * of an output pixel has a row of 16 channels for each pattern of the steps of a group, with the
 * sum of δ over these steps. Where cells are stands in pattern-lists.ts.
 */

import { check } from '../base/check'
import { PatternRecord } from '../generated/records'
import { Pattern, Spike } from '../opcodes'
import { rowsOfCell } from './pattern-lists'

const ROW_BYTES: usize = Pattern.RowBytes

/**
 * Half of a cell at four steps: 8 of its channels. Loads come before stores.
 */
// @ts-ignore: decorator
@inline
function cell4(q: usize, p: usize, step: usize): void {
  const a0 = v128.load(p)
  const a1 = v128.load(p, 16)
  const b0 = v128.load(p + step)
  const b1 = v128.load(p + step, 16)
  const c0 = v128.load(p + step * 2)
  const c1 = v128.load(p + step * 2, 16)
  const d0 = v128.load(p + step * 3)
  const d1 = v128.load(p + step * 3, 16)
  const ab0 = f32x4.add(a0, b0)
  const ab1 = f32x4.add(a1, b1)
  const cd0 = f32x4.add(c0, d0)
  const cd1 = f32x4.add(c1, d1)
  v128.store(q, a0)
  v128.store(q, a1, 16)
  v128.store(q, b0, 64)
  v128.store(q, b1, 80)
  v128.store(q, ab0, 128)
  v128.store(q, ab1, 144)
  v128.store(q, c0, 192)
  v128.store(q, c1, 208)
  v128.store(q, f32x4.add(a0, c0), 256)
  v128.store(q, f32x4.add(a1, c1), 272)
  v128.store(q, f32x4.add(b0, c0), 320)
  v128.store(q, f32x4.add(b1, c1), 336)
  v128.store(q, f32x4.add(ab0, c0), 384)
  v128.store(q, f32x4.add(ab1, c1), 400)
  v128.store(q, d0, 448)
  v128.store(q, d1, 464)
  v128.store(q, f32x4.add(a0, d0), 512)
  v128.store(q, f32x4.add(a1, d1), 528)
  v128.store(q, f32x4.add(b0, d0), 576)
  v128.store(q, f32x4.add(b1, d1), 592)
  v128.store(q, f32x4.add(ab0, d0), 640)
  v128.store(q, f32x4.add(ab1, d1), 656)
  v128.store(q, cd0, 704)
  v128.store(q, cd1, 720)
  v128.store(q, f32x4.add(a0, cd0), 768)
  v128.store(q, f32x4.add(a1, cd1), 784)
  v128.store(q, f32x4.add(b0, cd0), 832)
  v128.store(q, f32x4.add(b1, cd1), 848)
  v128.store(q, f32x4.add(ab0, cd0), 896)
  v128.store(q, f32x4.add(ab1, cd1), 912)
}

/**
 * The cells of a line of output pixels at four steps, 16 channels.
 *
 *   dst      cells, `cell` bytes apart
 *   src      δ of the first pixel and step; steps are `step` bytes apart, pixels `pixel`
 */
export function patternCells4(
  dst: usize,
  cell: usize,
  src: usize,
  step: usize,
  pixel: usize,
  pixels: i32,
): void {
  do {
    cell4(dst, src, step)
    cell4(dst + 32, src + 32, step)
    src += pixel
    dst += cell
  } while (--pixels)
}

/** The same at one step: δ itself. */
export function patternCells1(
  dst: usize,
  cell: usize,
  src: usize,
  pixel: usize,
  pixels: i32,
): void {
  do {
    const a0 = v128.load(src)
    const a1 = v128.load(src, 16)
    const a2 = v128.load(src, 32)
    const a3 = v128.load(src, 48)
    v128.store(dst, a0)
    v128.store(dst, a1, 16)
    v128.store(dst, a2, 32)
    v128.store(dst, a3, 48)
    src += pixel
    dst += cell
  } while (--pixels)
}

/**
 * The same at any number of steps, for 4 channels: each step adds its δ to the rows of the patterns
 * of the steps before it.
 */
export function patternCells(
  dst: usize,
  cell: usize,
  src: usize,
  step: usize,
  pixel: usize,
  pixels: i32,
  steps: i32,
): void {
  do {
    let p = src
    let end = dst
    for (let t = 0; t < steps; t++) {
      const x = v128.load(p)
      const rows = end
      v128.store(end, x)
      end += ROW_BYTES
      for (let row = dst; row < rows; row += ROW_BYTES) {
        v128.store(end, f32x4.add(v128.load(row), x))
        end += ROW_BYTES
      }
      p += step
    }
    src += pixel
    dst += cell
  } while (--pixels)
}

/** The cells of a line of pixels, `bytes` of their rows. */
// @ts-ignore: decorator
@inline
function fillCells(
  dst: usize,
  cell: usize,
  src: usize,
  step: usize,
  pixel: usize,
  pixels: i32,
  steps: i32,
  bytes: usize,
): void {
  if (bytes == ROW_BYTES && steps == 4) patternCells4(dst, cell, src, step, pixel, pixels)
  else if (bytes == ROW_BYTES && steps == 1) patternCells1(dst, cell, src, pixel, pixels)
  else
    for (let v: usize = 0; v < bytes; v += 16)
      patternCells(dst + v, cell, src + v, step, pixel, pixels, steps)
}

/**
 * Makes the grid of a group of images or of a strip at a group of steps, for `bytes` of the rows.
 * Rows of patterns that the group's steps do not make are left as they are in cells with δ.
 */
export function fillGrid(
  rec: PatternRecord,
  grid: usize,
  firstImage: i32,
  images: i32,
  firstRow: i32,
  stepGroup: i32,
  n0: i32,
  bytes: usize,
): void {
  const outH = rec.outH
  const outW = rec.outW
  const steps = rec.steps
  const gridW = rec.gridW
  const gridH = rec.gridH
  const left = rec.gridLeft
  const top = rec.gridTop
  const rowBytes = (<usize>rec.outC) << 2
  const pixelBytes = rowBytes * <usize>steps
  const cellBytes = <usize>rowsOfCell(rec) * ROW_BYTES
  const stepsHere = min<i32>(Spike.GroupSteps, steps - stepGroup * Spike.GroupSteps)
  const delta = rec.delta + <usize>(stepGroup * Spike.GroupSteps) * rowBytes + ((<usize>n0) << 2)
  // Outputs that no tap meets have no cell.
  const height = rec.gridOutH
  const width = rec.gridOutW
  check(width > 0 && width <= min(outW, gridW) && height <= outH)

  memory.fill(grid, 0, <usize>left * cellBytes)
  let cell = grid + <usize>left * cellBytes
  for (let row = -top; row < images * gridH; row++) {
    const image = max(0, row) / gridH
    const y = firstRow + row - image * gridH
    let filled = 0
    if (y >= 0 && y < height) {
      const src = delta + <usize>(((firstImage + image) * outH + y) * outW) * pixelBytes
      fillCells(cell, cellBytes, src, rowBytes, pixelBytes, width, stepsHere, bytes)
      filled = width
    }
    memory.fill(cell + <usize>filled * cellBytes, 0, <usize>(gridW - filled) * cellBytes)
    cell += <usize>gridW * cellBytes
  }
}
