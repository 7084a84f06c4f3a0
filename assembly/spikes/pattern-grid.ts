/**
 * Grids of δ for the weight gradient from lists of spike patterns (pattern-gradient.ts): the cell
 * of an output pixel has a row of 16 channels for each pattern of the steps of a group, with the
 * sum of δ over these steps. Where cells are stands in pattern-lists.ts.
 */

import { check } from '../base/check'
import { address, word } from '../base/record'
import { ConvWord, Pattern, PatternWord, Spike } from '../opcodes'
import { rowsOfCell } from './pattern-lists'

const ROW_BYTES: usize = Pattern.RowBytes

/**
 * The cells of a line of output pixels at four steps, `bytes` of each row.
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
  bytes: usize,
): void {
  const step2 = step * 2
  const step3 = step * 3
  do {
    for (let v: usize = 0; v < bytes; v += 16) {
      const p = src + v
      const q = dst + v
      const a = v128.load(p)
      const b = v128.load(p + step)
      const c = v128.load(p + step2)
      const d = v128.load(p + step3)
      const ab = f32x4.add(a, b)
      const cd = f32x4.add(c, d)
      v128.store(q, a)
      v128.store(q, b, 64)
      v128.store(q, ab, 128)
      v128.store(q, c, 192)
      v128.store(q, f32x4.add(a, c), 256)
      v128.store(q, f32x4.add(b, c), 320)
      v128.store(q, f32x4.add(ab, c), 384)
      v128.store(q, d, 448)
      v128.store(q, f32x4.add(a, d), 512)
      v128.store(q, f32x4.add(b, d), 576)
      v128.store(q, f32x4.add(ab, d), 640)
      v128.store(q, cd, 704)
      v128.store(q, f32x4.add(a, cd), 768)
      v128.store(q, f32x4.add(b, cd), 832)
      v128.store(q, f32x4.add(ab, cd), 896)
    }
    src += pixel
    dst += cell
  } while (--pixels)
}

/** The same at three steps: 7 patterns. */
export function patternCells3(
  dst: usize,
  cell: usize,
  src: usize,
  step: usize,
  pixel: usize,
  pixels: i32,
  bytes: usize,
): void {
  const step2 = step * 2
  do {
    for (let v: usize = 0; v < bytes; v += 16) {
      const p = src + v
      const q = dst + v
      const a = v128.load(p)
      const b = v128.load(p + step)
      const c = v128.load(p + step2)
      const ab = f32x4.add(a, b)
      v128.store(q, a)
      v128.store(q, b, 64)
      v128.store(q, ab, 128)
      v128.store(q, c, 192)
      v128.store(q, f32x4.add(a, c), 256)
      v128.store(q, f32x4.add(b, c), 320)
      v128.store(q, f32x4.add(ab, c), 384)
    }
    src += pixel
    dst += cell
  } while (--pixels)
}

/** At two steps: 3 patterns. */
export function patternCells2(
  dst: usize,
  cell: usize,
  src: usize,
  step: usize,
  pixel: usize,
  pixels: i32,
  bytes: usize,
): void {
  do {
    for (let v: usize = 0; v < bytes; v += 16) {
      const p = src + v
      const q = dst + v
      const a = v128.load(p)
      const b = v128.load(p + step)
      v128.store(q, a)
      v128.store(q, b, 64)
      v128.store(q, f32x4.add(a, b), 128)
    }
    src += pixel
    dst += cell
  } while (--pixels)
}

/** At one step: δ itself. */
export function patternCells1(
  dst: usize,
  cell: usize,
  src: usize,
  pixel: usize,
  pixels: i32,
  bytes: usize,
): void {
  do {
    for (let v: usize = 0; v < bytes; v += 16) v128.store(dst + v, v128.load(src + v))
    src += pixel
    dst += cell
  } while (--pixels)
}

/**
 * Makes the grid of a group of images or of a strip at a group of steps, for `bytes` of the rows.
 * Rows of patterns that the group's steps do not make are left as they are in cells with δ.
 */
export function fillGrid(
  rec: usize,
  grid: usize,
  firstImage: i32,
  images: i32,
  firstRow: i32,
  stepGroup: i32,
  n0: i32,
  bytes: usize,
): void {
  const outH = word(rec, ConvWord.OutH)
  const outW = word(rec, ConvWord.OutW)
  const steps = word(rec, ConvWord.T)
  const gridW = word(rec, PatternWord.GridW)
  const gridH = word(rec, PatternWord.GridH)
  const left = word(rec, PatternWord.GridLeft)
  const top = word(rec, PatternWord.GridTop)
  const rowBytes = (<usize>word(rec, ConvWord.OutC)) << 2
  const pixelBytes = rowBytes * <usize>steps
  const cellBytes = <usize>rowsOfCell(rec) * ROW_BYTES
  const stepsHere = min<i32>(Spike.GroupSteps, steps - stepGroup * Spike.GroupSteps)
  const delta =
    address(rec, PatternWord.Delta) +
    <usize>(stepGroup * Spike.GroupSteps) * rowBytes +
    ((<usize>n0) << 2)
  // Outputs that no tap meets have no cell.
  const height = word(rec, PatternWord.GridOutH)
  const width = word(rec, PatternWord.GridOutW)
  check(width > 0 && width <= min(outW, gridW) && height <= outH)

  memory.fill(grid, 0, <usize>left * cellBytes)
  let cell = grid + <usize>left * cellBytes
  for (let row = -top; row < images * gridH; row++) {
    const image = max(0, row) / gridH
    const y = firstRow + row - image * gridH
    let filled = 0
    if (y >= 0 && y < height) {
      const src = delta + <usize>(((firstImage + image) * outH + y) * outW) * pixelBytes
      if (stepsHere == 4) patternCells4(cell, cellBytes, src, rowBytes, pixelBytes, width, bytes)
      else if (stepsHere == 3)
        patternCells3(cell, cellBytes, src, rowBytes, pixelBytes, width, bytes)
      else if (stepsHere == 2)
        patternCells2(cell, cellBytes, src, rowBytes, pixelBytes, width, bytes)
      else patternCells1(cell, cellBytes, src, pixelBytes, width, bytes)
      filled = width
    }
    memory.fill(cell + <usize>filled * cellBytes, 0, <usize>(gridW - filled) * cellBytes)
    cell += <usize>gridW * cellBytes
  }
}
