/**
 * Dense convolution on NHWC tensors as matrix products over gathered rows (im2col, five rows at a
 * time, never the whole matrix). Any kernel, stride, padding and dilation. A linear layer is a
 * convolution whose kernel covers its whole input.
 *
 *   Out[b][oy][ox][t][n] =
 *     Σ_{ky,kx,c} In[b][oy·sh − ph + ky·dh][ox·sw − pw + kx·dw][t][c] · W[k(ky,kx,c)][n]
 *
 * This file is the forward, input-gradient.ts and weight-gradient.ts the gradients. They are the
 * reference, and run wherever no faster kernel applies. Faster are: spikes/ for inputs that are
 * spikes, narrow.ts for few input channels, winograd/ for the gradients of 3×3 kernels of stride
 * 1.
 */

import { check } from '../base/check'
import { DenseRecord } from '../generated/records'
import { packRows } from './pack'
import { addTile, EDGE_BYTES, KC, MR, micro, microNarrow, microRow8, microRow32 } from './tile'
import { microWide } from './wide-tile'

/** Address of In at step t of an outer loop. */
// @ts-ignore: decorator
@inline
export function inputOf(rec: DenseRecord, t: i32): usize {
  let input = rec.in
  if (rec.inIndirect) input = <usize>(load<u32>(input) + <u32>(rec.inIndirect - 1))
  return input + <usize>(t * rec.inLoopBytes)
}

/** Rows or columns from one tap to the next; a record of none has 0. */
// @ts-ignore: decorator
@inline
export function apart(dilation: i32): i32 {
  return max(1, dilation)
}

/**
 * c = or += the part of a tile, `rows` × `columns`, that lies inside c. A row of the tile is 32
 * bytes.
 */
export function storeTile(
  dst: usize,
  ldc: usize,
  src: usize,
  rows: i32,
  columns: i32,
  add: bool,
): void {
  for (let i = 0; i < rows; i++) {
    let d = dst + ldc * <usize>i
    let s = src + ((<usize>i) << 5)
    let j = columns
    for (; j >= 4; j -= 4) {
      const x = v128.load(s)
      v128.store(d, add ? f32x4.add(x, v128.load(d)) : x)
      d += 16
      s += 16
    }
    // The input may have fewer channels than a vector has lanes.
    for (; j > 0; j--) {
      const x = load<f32>(s)
      store<f32>(d, add ? x + load<f32>(d) : x)
      d += 4
      s += 4
    }
  }
}

/** A panel of the five rows whose origins are at o: their inputs at depth k0 … kEnd − 1. */
// @ts-ignore: decorator
@inline
function packDepth(rec: DenseRecord, dst: usize, o: usize, k0: i32, kEnd: i32): void {
  const inC = rec.inC
  const inW = rec.inW
  const inH = rec.inH
  const kernelW = rec.kernelW
  const pixelBytes = rec.inPixelBytes
  const zeros = rec.zeros
  const down = apart(rec.dilationH)
  const across = apart(rec.dilationW)
  // Away from the sides the taps of one kernel row follow each other in memory.
  const wide =
    across == 1 &&
    pixelBytes == (<usize>inC) << 2 &&
    inside(o, kernelW, inW) &&
    inside(o + 16, kernelW, inW) &&
    inside(o + 32, kernelW, inW) &&
    inside(o + 48, kernelW, inW) &&
    inside(o + 64, kernelW, inW)
  const runLength = wide ? kernelW * inC : inC
  const firstRun = k0 == 0 ? 0 : k0 / runLength
  // Kernel row, column and channel at depth k0, counted up from run to run.
  let ky = firstRun / (wide ? 1 : kernelW)
  let kx = wide ? 0 : firstRun - ky * kernelW
  let c = k0 - firstRun * runLength
  let k = k0
  while (k < kEnd) {
    const count = min(runLength - c, kEnd - k)
    const offset = (<usize>c) << 2
    const y = ky * down
    const x = kx * across
    packRows(
      dst,
      source(o, y, x, inH, inW, pixelBytes, zeros) + offset,
      source(o + 16, y, x, inH, inW, pixelBytes, zeros) + offset,
      source(o + 32, y, x, inH, inW, pixelBytes, zeros) + offset,
      source(o + 48, y, x, inH, inW, pixelBytes, zeros) + offset,
      source(o + 64, y, x, inH, inW, pixelBytes, zeros) + offset,
      count,
    )
    dst += (<usize>(count * MR)) << 2
    k += count
    c = 0
    if (wide || ++kx == kernelW) {
      kx = 0
      ky++
    }
  }
}

/**
 * Dense forward; the equation stands above. Out is written. Unit = rowsPerUnit rows of Out
 * (pixels, then t), rowsPerUnit a multiple of 5. Scratch: 192 + rowsPerUnit · (16 + 4 · d) bytes,
 * where d = min(256, kernelH·kernelW·inC).
 */
export function convDense(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const input = inputOf(rec, t)
  const rowsAll = rec.images * rec.outH * rec.outW * rec.steps
  const rowsPerUnit = rec.rowsPerUnit
  const first = unit * rowsPerUnit
  const rows = min(rowsPerUnit, rowsAll - first)
  const N = rec.outC
  const K = rec.kernelH * rec.kernelW * rec.inC
  check(rows > 0)

  const origins = scratch + EDGE_BYTES
  fillOrigins(rec, origins, first, rows, input)
  // A unit's last group of five may be incomplete: its missing rows repeat the last one.
  for (let i = rows; i % MR; i++)
    memory.copy(origins + ((<usize>i) << 4), origins + ((<usize>(rows - 1)) << 4), 16)
  const panels = origins + ((<usize>rowsPerUnit) << 4)
  const out = rec.out + <usize>first * ((<usize>N) << 2)
  const ldc = (<usize>N) << 2

  // For each part of the depth, gather panels of five rows and multiply them with all blocks of W.
  for (let k0 = 0; k0 < K; k0 += KC) {
    const kc = min(KC, K - k0)
    for (let i = 0; i < rows; i += MR) {
      const dst = panels + ((<usize>(i * kc)) << 2)
      packDepth(rec, dst, origins + ((<usize>i) << 4), k0, k0 + kc)
    }
    const w = rec.weight
    const add = k0 > 0
    const width = rec.blockWidth
    multiplyBlocks(out, ldc, rows, panels, kc, w, k0, rec.kRows, N, width, add, scratch)
  }
  const bias = rec.bias
  if (bias) addBias(out, bias, rows, N)
}

/**
 * For each row (pixel, t) of Out from `first` on, 16 bytes: the address of the image at that step,
 * and y and x where the window starts.
 */
export function fillOrigins(
  rec: DenseRecord,
  origins: usize,
  first: i32,
  rows: i32,
  input: usize,
): void {
  const T = rec.steps
  const outH = rec.outH
  const outW = rec.outW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const padH = rec.padH
  const padW = rec.padW
  const stepBytes = rec.inStepBytes
  const imageBytes = <usize>(rec.inH * rec.inW) * rec.inPixelBytes
  const pixel = first / T
  let step = first - pixel * T
  let ox = pixel % outW
  const line = pixel / outW
  let oy = line % outH
  let image = input + <usize>(line / outH) * imageBytes
  // Counted up, not divided: divisions took as long as the products of a small layer.
  for (let i = 0; i < rows; i++) {
    store<u32>(origins, <u32>(image + <usize>step * stepBytes))
    store<i32>(origins, oy * strideH - padH, 4)
    store<i32>(origins, ox * strideW - padW, 8)
    origins += 16
    if (++step == T) {
      step = 0
      if (++ox == outW) {
        ox = 0
        if (++oy == outH) {
          oy = 0
          image += imageBytes
        }
      }
    }
  }
}

/** Does the window of the row with origin o lie between the left and the right side? */
// @ts-ignore: decorator
@inline
function inside(o: usize, kernelW: i32, inW: i32): bool {
  const x = load<i32>(o, 8)
  return x >= 0 && x + kernelW <= inW
}

/**
 * Address of the C floats ky rows below and kx columns beside the origin o; of zeros outside the
 * image.
 */
// @ts-ignore: decorator
@inline
function source(
  o: usize,
  ky: i32,
  kx: i32,
  inH: i32,
  inW: i32,
  pixelBytes: usize,
  zeros: usize,
): usize {
  const y = load<i32>(o, 4) + ky
  const x = load<i32>(o, 8) + kx
  if (<u32>y >= <u32>inH || <u32>x >= <u32>inW) return zeros
  return <usize>load<u32>(o) + <usize>(y * inW + x) * pixelBytes
}

/**
 * out[rows][N] = or += panels · W over depth k0 … k0 + kc. W lies in blocks
 * [N/width][kRows][width]. Rows behind the last are not touched.
 */
function multiplyBlocks(
  out: usize,
  ldc: usize,
  rows: i32,
  panels: usize,
  kc: i32,
  weight: usize,
  k0: i32,
  kRows: i32,
  N: i32,
  width: i32,
  add: bool,
  edge: usize,
): void {
  const ldb = (<usize>width) << 2
  const columns = min(8, width)
  // A tile of five rows would be wasted on one, and one image of a linear layer is one row.
  const alone = rows % MR == 1 && width >= 8
  const tiled = alone ? rows - 1 : rows
  for (let n = 0; n < N; n += columns) {
    const block = n / width
    const b =
      weight + ((<usize>(block * kRows + k0) * <usize>width + <usize>(n - block * width)) << 2)
    const c = out + ((<usize>n) << 2)
    for (let i = 0; i < tiled; i += MR) {
      const a = panels + ((<usize>(i * kc)) << 2)
      const d = c + ldc * <usize>i
      const whole = columns == 8 && i + MR <= rows
      // Two blocks of columns at a time.
      if (WIDE && whole && n % 16) continue
      if (WIDE && whole && n + 8 < N) {
        for (let row = 0; row < MR; row++) store<u32>(edge + <usize>(16 * row), row * <u32>ldc)
        const far = width == 8 ? (<usize>kRows) << 5 : 32
        microWide(d, edge, a, b, far, ldb, kc, add)
      } else if (whole && !add) micro(d, ldc, a, b, ldb, kc)
      else {
        if (columns == 8) micro(edge, 32, a, b, ldb, kc)
        else microNarrow(edge, a, b, ldb, kc)
        if (whole) addTile(d, ldc, edge)
        else storeTile(d, ldc, edge, min(MR, rows - i), columns, add)
      }
    }
  }
  if (alone)
    multiplyRow(
      out + ldc * <usize>tiled,
      panels + ((<usize>(tiled * kc)) << 2),
      kc,
      weight + ((<usize>k0) << 2) * <usize>width,
      kRows,
      N,
      width,
      add,
    )
}

/** out[N] = or += one row · W; blocks of W are kRows rows apart. */
function multiplyRow(
  out: usize,
  row: usize,
  kc: i32,
  weight: usize,
  kRows: i32,
  N: i32,
  width: i32,
  add: bool,
): void {
  const bytes = (<usize>width) << 2
  for (let n = 0; n < N; n += width) {
    if (width == 32) microRow32(out, row, weight, 128, kc, add)
    else
      for (let column: usize = 0; column < bytes; column += 32)
        microRow8(out + column, row, weight + column, bytes, kc, add)
    out += bytes
    weight += <usize>kRows * bytes
  }
}

function addBias(out: usize, bias: usize, rows: i32, N: i32): void {
  for (let i = 0; i < rows; i++)
    for (let j: usize = 0; j < (<usize>N) << 2; j += 16) {
      v128.store(out, f32x4.add(v128.load(out), v128.load(bias + j)))
      out += 16
    }
}
