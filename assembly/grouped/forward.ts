/**
 * Convolution by groups of channels: forward on floats, and the gradient of the input, which is the
 * same sum with other taps.
 *
 *   Out[b][oy][ox][t][g·groupOut + n] = Bias + Σ_{ky,kx,c}
 *     In[b][oy·sh − ph + ky·dh][ox·sw − pw + kx·dw][t][g·groupIn + c] · W[g][ky][kx][c][n]
 */

import { check } from '../base/check'
import { GroupedRecord } from '../generated/records'
import { EDGE, EDGE_BIAS, fillTaps, groupedInput, insideFrom, insideTo, TABLE } from './taps'
import {
  depthRow4,
  depthRow8,
  depthTile8,
  groupRow4,
  groupRow8,
  groupTile4,
  groupTile8,
  quadRow4,
  quadTile4,
} from './tiles'

/**
 * Forward; the equation stands above. Out is written, with zeros in padded channels. Unit =
 * rowsPerUnit rows of one image of Out. Scratch: 192 + 8·taps·groupIn bytes.
 */
export function groupedForward(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  convolve(rec, unit, false, groupedInput(rec, t), scratch)
}

/**
 * Out[b][y][x][t][g·groupIn + c] = Bias + Σ over taps that see (y, x), over n, of Delta · W. Out is
 * written, with zeros in padded channels. Reads Transposed, or depthwise Weight. Unit = rowsPerUnit
 * rows of one image of Out. Scratch: 192 + 8·taps·groupOut bytes.
 */
export function groupedInputGradient(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  convolve(rec, unit, true, rec.delta, scratch)
}

function convolve(rec: GroupedRecord, unit: i32, back: bool, source: usize, scratch: usize): void {
  const T = rec.steps
  const height = back ? rec.inH : rec.outH
  const width = back ? rec.inW : rec.outW
  const channels = back ? rec.inC : rec.outC
  const rowBytes = (<usize>channels) << 2
  const outC = rec.outC
  const pixelBytes = back ? (<usize>(T * outC)) << 2 : rec.inPixelBytes
  const classes = back ? rec.strideW : 1
  const dx = back ? 1 : rec.strideW
  const apart = <usize>dx * pixelBytes
  const depthwise = rec.depthwise != 0
  const depth = depthwise ? 1 : back ? rec.groupOut : rec.groupIn
  const columns = back ? rec.groupIn : rec.groupOut
  const fours = quads(depthwise, depth, columns)
  const weightRow = depthwise ? rowBytes : (<usize>((columns + 3) & ~3)) << 2

  const rowsPerUnit = rec.rowsPerUnit
  const perImage = (height + rowsPerUnit - 1) / rowsPerUnit
  const image = unit / perImage
  const first = (unit - image * perImage) * rowsPerUnit
  const end = min(height, first + rowsPerUnit)
  const sourceH = back ? rec.outH : rec.inH
  const sourceW = back ? rec.outW : rec.inW
  source += <usize>(image * sourceH * sourceW) * pixelBytes
  let out = rec.out + <usize>((image * height + first) * width * T) * rowBytes
  check(first < height)
  memory.fill(scratch, 0, EDGE)

  const table = scratch + TABLE
  for (let y = first; y < end; y++) {
    for (let q = 0; q < min(classes, width); q++) {
      const count = (width - q + classes - 1) / classes
      const low = insideFrom(rec, back, q, dx, count)
      const high = insideTo(rec, back, q, dx, count)
      for (let j = 0; j < count; ) {
        const n = j == low ? max(1, high - low) : 1
        const to = fillTaps(
          rec,
          table,
          back,
          y,
          q,
          j,
          dx,
          pixelBytes,
          fours ? 16 : 4,
          fours ? depth >> 2 : depth,
          fours ? weightRow << 2 : weightRow,
        )
        const d = out + <usize>((q + j * classes) * T) * rowBytes
        rowsOfPixels(rec, back, d, rowBytes, source + <usize>j * apart, apart, n, to, scratch)
        j += n
      }
    }
    out += <usize>(width * T) * rowBytes
  }
}

/** The steps of `count` pixels that share a table, which lie `apart` bytes apart in x. */
// @ts-ignore: decorator
@inline
function rowsOfPixels(
  rec: GroupedRecord,
  back: bool,
  out: usize,
  rowBytes: usize,
  x: usize,
  apart: usize,
  count: i32,
  end: usize,
  scratch: usize,
): void {
  const T = rec.steps
  const stepBytes = back ? (<usize>rec.outC) << 2 : rec.inStepBytes
  const classes = back ? rec.strideW : 1
  if (T == 1) rows(rec, back, out, <usize>classes * rowBytes, x, apart, count, end, scratch)
  else if (classes == 1 && apart == <usize>T * stepBytes)
    rows(rec, back, out, rowBytes, x, stepBytes, count * T, end, scratch)
  else
    for (let i = 0; i < count; i++) {
      rows(rec, back, out, rowBytes, x, stepBytes, T, end, scratch)
      out += <usize>(classes * T) * rowBytes
      x += apart
    }
}

/**
 * Whether an entry of the table stands for four channels of the source: for 4 columns, where the
 * reading of the table would take long beside the products.
 */
// @ts-ignore: decorator
@inline
function quads(depthwise: bool, depth: i32, columns: i32): bool {
  return !depthwise && (depth & 3) == 0 && columns <= 4
}

/** `count` rows of the result, `ldo` bytes apart, that share a table; of x, `ldx` bytes apart. */
function rows(
  rec: GroupedRecord,
  back: bool,
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  count: i32,
  end: usize,
  scratch: usize,
): void {
  const bias = rec.bias
  const table = scratch + TABLE
  if (rec.depthwise) {
    depthRows(out, ldo, x, ldx, count, table, end, rec.weight, bias, rec.outC, scratch)
    return
  }
  const groups = rec.groups
  const columns = back ? rec.groupIn : rec.groupOut
  const depth = back ? rec.groupOut : rec.groupIn
  const channels = back ? rec.inC : rec.outC
  const taps = rec.kernelH * rec.kernelW
  const stored = (columns + 3) & ~3
  const groupBytes = (<usize>(taps * depth * stored)) << 2
  const ldw = quads(false, depth, columns) ? (<usize>stored) << 2 : 0
  let weight = back ? rec.transposed : rec.weight
  for (let g = 0; g < groups; g++) {
    // Whole vectors: what spills over is overwritten by the next group.
    let n = 0
    while (n < stored) {
      const at = g * columns + n
      const offset = (<usize>at) << 2
      const w = weight + ((<usize>n) << 2)
      const b = bias ? bias + offset : scratch
      if (n + 8 <= stored && at + 8 <= channels) {
        groupRows8(out + offset, ldo, x, ldx, count, table, end, w, b)
        n += 8
        continue
      }
      if (at + 4 <= channels) groupRows4(out + offset, ldo, x, ldx, count, table, end, w, ldw, b)
      else {
        const bytes = ((<usize>channels) << 2) - offset
        edgeRows(out + offset, ldo, x, ldx, count, table, end, w, ldw, bias ? b : 0, bytes, scratch)
      }
      n += 4
    }
    x += (<usize>depth) << 2
    weight += groupBytes
  }
  const real = (<usize>(groups * columns)) << 2
  const padded = ((<usize>channels) << 2) - real
  if (padded) for (let i = 0; i < count; i++) memory.fill(out + real + <usize>i * ldo, 0, padded)
}

function depthRows(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  count: i32,
  table: usize,
  end: usize,
  w: usize,
  bias: usize,
  channels: i32,
  scratch: usize,
): void {
  const bytes = (<usize>channels) << 2
  for (let c: usize = 0; c < bytes; c += 32) {
    const b = bias ? bias + c : scratch
    const wide = c + 32 <= bytes
    // The last tile of four rows may overlap the one before, whose numbers it writes again.
    if (wide && count >= 4)
      for (let i = 0; i < count; i += 4) {
        const row = <usize>min(i, count - 4)
        depthTile8(out + c + row * ldo, ldo, x + c + row * ldx, ldx, table, end, w + c, b)
      }
    else
      for (let i: usize = 0; i < <usize>count; i++)
        if (wide) depthRow8(out + c + i * ldo, ldo, x + c + i * ldx, ldx, table, end, w + c, b)
        else depthRow4(out + c + i * ldo, ldo, x + c + i * ldx, ldx, table, end, w + c, b)
  }
}

/** 8 columns of any number of rows; the last tile of four may overlap the one before. */
function groupRows8(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  count: i32,
  table: usize,
  end: usize,
  w: usize,
  bias: usize,
): void {
  if (count < 4) {
    for (let i: usize = 0; i < <usize>count; i++)
      groupRow8(out + i * ldo, ldo, x + i * ldx, ldx, table, end, w, bias)
    return
  }
  for (let i = 0; i < count; i += 4) {
    const row = <usize>min(i, count - 4)
    const o = out + row * ldo
    groupTile8(o, ldo, x + row * ldx, ldx, table, end, w, bias)
  }
}

/** The same for 4 columns. */
function groupRows4(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  count: i32,
  table: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
): void {
  if (count < 4) {
    for (let i: usize = 0; i < <usize>count; i++)
      if (ldw) quadRow4(out + i * ldo, ldo, x + i * ldx, ldx, table, end, w, ldw, bias)
      else groupRow4(out + i * ldo, ldo, x + i * ldx, ldx, table, end, w, bias)
    return
  }
  for (let i = 0; i < count; i += 4) {
    const row = <usize>min(i, count - 4)
    const o = out + row * ldo
    if (ldw) quadTile4(o, ldo, x + row * ldx, ldx, table, end, w, ldw, bias)
    else groupTile4(o, ldo, x + row * ldx, ldx, table, end, w, bias)
  }
}

/** The last 1 to 3 columns of a pixel, for which a vector would reach into the next. */
function edgeRows(
  out: usize,
  ldo: usize,
  x: usize,
  ldx: usize,
  count: i32,
  table: usize,
  end: usize,
  w: usize,
  ldw: usize,
  bias: usize,
  bytes: usize,
  scratch: usize,
): void {
  const tile = scratch + EDGE
  const b = scratch + EDGE_BIAS
  memory.fill(b, 0, 16)
  if (bias) memory.copy(b, bias, bytes)
  for (let i: usize = 0; i < <usize>count; i++) {
    if (ldw) quadRow4(tile, 0, x + i * ldx, ldx, table, end, w, ldw, b)
    else groupRow4(tile, 0, x + i * ldx, ldx, table, end, w, b)
    memory.copy(out + i * ldo, tile, bytes)
  }
}

/**
 * Transposed[g][tap][n][c] = Weight[g][tap][c][n], with zeros behind GroupIn. Unit = group.
 * Scratch: none.
 */
export function groupedTranspose(rec: GroupedRecord, unit: i32, t: i32, scratch: usize): void {
  const taps = rec.kernelH * rec.kernelW
  const groupIn = rec.groupIn
  const groupOut = rec.groupOut
  const storedIn = (groupIn + 3) & ~3
  const storedOut = (groupOut + 3) & ~3
  let from = rec.weight + ((<usize>(unit * taps * groupIn * storedOut)) << 2)
  let to = rec.transposed + ((<usize>(unit * taps * groupOut * storedIn)) << 2)
  for (let tap = 0; tap < taps; tap++) {
    for (let n = 0; n < groupOut; n++) {
      for (let c = 0; c < storedIn; c++) {
        const x: f32 = c < groupIn ? load<f32>(from + ((<usize>(c * storedOut + n)) << 2)) : <f32>0
        store<f32>(to + ((<usize>c) << 2), x)
      }
      to += (<usize>storedIn) << 2
    }
    from += (<usize>(groupIn * storedOut)) << 2
  }
}
