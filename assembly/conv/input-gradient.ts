/**
 * Dense gradient of a convolution's input. It is the reference, and runs where Winograd does not
 * apply.
 */

import { check } from '../base/check'
import { DenseRecord } from '../generated/records'
import { Dense } from '../opcodes'
import { apart, storeTile } from './forward'
import { packHalf, packRows } from './pack'
import { EDGE_BYTES, MR, micro } from './tile'
import { microWide } from './wide-tile'

/**
 * Transposed = Wᵀ in blocks of 8 input channels, [inC/8][tap][outC][8]. Channels of the last block
 * behind inC are zeros. Transposed is written. Unit = one block. Scratch: none.
 */
export function transposeWeight(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const inC = rec.inC
  const N = rec.outC
  const width = rec.blockWidth
  const kRows = rec.kRows
  const taps = rec.kernelH * rec.kernelW
  const weight = rec.weight
  const c0 = unit * Dense.TransposedChannels
  const count = min(8, inC - c0)
  let dst = rec.transposed + ((<usize>(unit * taps * N)) << 5)
  const row = (<usize>width) << 2
  for (let tap = 0; tap < taps; tap++) {
    for (let block = 0; block < N / width; block++) {
      const src = weight + <usize>(block * kRows + tap * inC + c0) * row
      if (count == 8) {
        packHalf(dst, src, row, width)
        packHalf(dst + 16, src + 4 * row, row, width)
        dst += row << 3
      } else {
        for (let n: usize = 0; n < row; n += 4) {
          for (let c = 0; c < 8; c++)
            store<f32>(dst + ((<usize>c) << 2), c < count ? load<f32>(src + n + <usize>c * row) : 0)
          dst += 32
        }
      }
    }
  }
}

/**
 * A stride class of at most so many pixels is taken pixel by pixel, all images of one pixel first;
 * so is any where there is one output pixel, as of a linear layer over an image: then each input
 * pixel has one tap, and the rest of the taps need not be looked at.
 */
const SMALL_PIXELS: i32 = 16

/** Units of a class of so many rows. */
// @ts-ignore: decorator
@inline
function unitsOf(rows: i32, rowsPerUnit: i32): i32 {
  return (rows + rowsPerUnit - 1) / rowsPerUnit
}

/**
 * Units of a row of stride classes. Class q of an axis holds q, q + stride, q + 2·stride … < size:
 * size / stride of them, and one more in the first size % stride classes.
 *
 * @param columnRows rows (pixel, step) of one column of the class
 */
// @ts-ignore: decorator
@inline
function unitsOfRow(columnRows: i32, size: i32, stride: i32, rowsPerUnit: i32): i32 {
  const columns = size / stride
  const longer = size % stride
  return (
    longer * unitsOf(columnRows * (columns + 1), rowsPerUnit) +
    (stride - longer) * unitsOf(columnRows * columns, rowsPerUnit)
  )
}

/**
 * Origins of the unit's rows, 16 bytes each: the address of δ's image at the step, y and x of the
 * input pixel with the padding, the address of the row of Out. Missing rows repeat the last one.
 */
function fillInputOrigins(
  rec: DenseRecord,
  origins: usize,
  first: i32,
  rows: i32,
  qy: i32,
  qx: i32,
  ch: i32,
  cw: i32,
): void {
  const T = rec.steps
  const B = rec.images
  const inW = rec.inW
  const isSmall = isSmallClass(rec, ch * cw)
  const imageRows = rec.outH * rec.outW * T
  for (let i = 0; i < rec.rowsPerUnit; i++) {
    const row = first + min(i, rows - 1)
    const at = row / T
    const step = row - at * T
    const image = isSmall ? at % B : at / (ch * cw)
    const pixel = isSmall ? at / B : at % (ch * cw)
    const y = (pixel / cw) * rec.strideH + qy
    const x = (pixel % cw) * rec.strideW + qx
    const o = origins + ((<usize>i) << 4)
    const delta = <usize>(image * imageRows + step) * <usize>rec.outC
    const out = <usize>(((image * rec.inH + y) * inW + x) * T + step) * <usize>rec.inC
    store<u32>(o, <u32>(rec.delta + (delta << 2)))
    store<i32>(o, y + rec.padH, 4)
    store<i32>(o, x + rec.padW, 8)
    store<u32>(o, <u32>(rec.out + (out << 2)), 12)
  }
}

// @ts-ignore: decorator
@inline
function isSmallClass(rec: DenseRecord, pixels: i32): bool {
  return pixels <= SMALL_PIXELS || rec.outH * rec.outW == 1
}

/**
 * Products of one tap. Bit i of `written`: the i-th five rows of Out hold a sum already. Returns
 * which do now.
 */
function multiplyTap(
  rec: DenseRecord,
  ky: i32,
  kx: i32,
  rows: i32,
  written: u64,
  scratch: usize,
): u64 {
  const sh = rec.strideH
  const sw = rec.strideW
  const outH = rec.outH
  const outW = rec.outW
  const inC = rec.inC
  const N = rec.outC
  const zeros = rec.zeros
  const pixelBytes = (<usize>(N * rec.steps)) << 2
  const taps = rec.kernelH * rec.kernelW
  const origins = scratch + EDGE_BYTES
  const panels = origins + ((<usize>rec.rowsPerUnit) << 4)
  // Bit i: this tap reaches one of the i-th five rows.
  let reached: u64 = 0
  const y = ky * apart(rec.dilationH)
  const x = kx * apart(rec.dilationW)
  for (let i = 0; i < rows; i += MR) {
    const o = origins + ((<usize>i) << 4)
    const s0 = deltaSource(o, y, x, sh, sw, outH, outW, pixelBytes, zeros)
    const s1 = deltaSource(o + 16, y, x, sh, sw, outH, outW, pixelBytes, zeros)
    const s2 = deltaSource(o + 32, y, x, sh, sw, outH, outW, pixelBytes, zeros)
    const s3 = deltaSource(o + 48, y, x, sh, sw, outH, outW, pixelBytes, zeros)
    const s4 = deltaSource(o + 64, y, x, sh, sw, outH, outW, pixelBytes, zeros)
    if (s0 == zeros && s1 == zeros && s2 == zeros && s3 == zeros && s4 == zeros) continue
    packRows(panels + ((<usize>(i * N)) << 2), s0, s1, s2, s3, s4, N)
    reached |= (<u64>1) << (i / MR)
  }
  if (reached == 0) return written
  for (let c = 0; c < inC; c += 8) {
    // Two blocks of channels at a time.
    const two = WIDE ? (c | 15) < inC : false
    if (two && c & 8) continue
    const b = rec.transposed + ((<usize>(((c >> 3) * taps + ky * rec.kernelW + kx) * N)) << 5)
    const columns = min(8, inC - c)
    for (let i = 0; i < rows; i += MR) {
      if (((reached >> (i / MR)) & 1) == 0) continue
      const add = ((written >> (i / MR)) & 1) != 0
      const o = origins + ((<usize>i) << 4)
      const a = panels + ((<usize>(i * N)) << 2)
      if (two) microWide((<usize>c) << 2, o + 12, a, b, (<usize>(taps * N)) << 5, 32, N, add)
      if (two) continue
      // Rows of a class are not evenly spaced, so they go through a tile in scratch.
      micro(scratch, 32, a, b, 32, N)
      const n = min(MR, rows - i)
      for (let r = 0; r < n; r++) {
        const out = <usize>load<u32>(o + ((<usize>r) << 4), 12) + ((<usize>c) << 2)
        storeTile(out, 0, scratch + ((<usize>r) << 5), 1, columns, add)
      }
    }
  }
  return written | reached
}

/**
 * Gradient of the input, over the taps for which both divisions are exact:
 *
 *   dX[b][y][x][t][c] = Bias +
 *     Σ_{ky,kx,n} δ[b][(y + ph − ky·dh)/sh][(x + pw − kx·dw)/sw][t][n] · W[k(ky,kx,c)][n]
 *
 * Input pixels fall into sh·sw stride classes. Pixels of a class share their taps, so that strides
 * above 1 cost no products with zeros. Small images are taken pixel by pixel, all images of one
 * pixel first: neighbouring rows then lack the same taps, whose products are left out (five of
 * nine at 2×2).
 *
 * Out = dX. Unit = rowsPerUnit rows (pixel of the class, t) of one class, the
 * classes in order; rowsPerUnit is a multiple of 5. Scratch: 192 + rowsPerUnit · (16 + 4 · outC)
 * bytes.
 */
export function convInputGradient(rec: DenseRecord, unit: i32, t: i32, scratch: usize): void {
  const inH = rec.inH
  const inW = rec.inW
  const sh = rec.strideH
  const sw = rec.strideW
  const padH = rec.padH
  const padW = rec.padW
  const rowsPerUnit = rec.rowsPerUnit
  // The class, and the rows of it: first the row qy of classes, then the class in it.
  const tall = inH % sh
  const wide = inW % sw
  const cells = rec.images * rec.steps
  let ch = inH / sh + 1
  let perRow = unitsOfRow(ch * cells, inW, sw, rowsPerUnit)
  let qy = 0
  if (unit >= tall * perRow) {
    unit -= tall * perRow
    qy = tall
    ch--
    perRow = unitsOfRow(ch * cells, inW, sw, rowsPerUnit)
  }
  qy += unit / perRow
  unit %= perRow
  let cw = inW / sw + 1
  let perClass = unitsOf(ch * cw * cells, rowsPerUnit)
  let qx = 0
  if (unit >= wide * perClass) {
    unit -= wide * perClass
    qx = wide
    cw--
    perClass = unitsOf(ch * cw * cells, rowsPerUnit)
  }
  qx += unit / perClass
  const first = (unit % perClass) * rowsPerUnit
  const rows = min(rowsPerUnit, ch * cw * cells - first)
  check(rows > 0 && rows <= 64 * MR)
  fillInputOrigins(rec, scratch + EDGE_BYTES, first, rows, qy, qx, ch, cw)
  // The pixels of the unit where it has few: no more taps reach them than from y0 to y1, x0 to x1.
  const isSmall = isSmallClass(rec, ch * cw)
  const p0 = isSmall ? first / cells : 0
  const p1 = isSmall ? (first + rows - 1) / cells : ch * cw - 1
  const y0 = (p0 / cw) * sh + qy + padH
  const y1 = (p1 / cw) * sh + qy + padH
  const isRow = isSmall && y0 == y1
  const x0 = (isRow ? p0 % cw : 0) * sw + qx + padW
  const x1 = (isRow ? p1 % cw : cw - 1) * sw + qx + padW
  const dh = apart(rec.dilationH)
  const dw = apart(rec.dilationW)
  const kyEnd = min(rec.kernelH, y1 / dh + 1)
  const kxEnd = min(rec.kernelW, x1 / dw + 1)
  const firstX = (max(0, x0 - (rec.outW - 1) * sw) + dw - 1) / dw
  let written: u64 = 0
  for (let ky = (max(0, y0 - (rec.outH - 1) * sh) + dh - 1) / dh; ky < kyEnd; ky++) {
    if ((qy + padH - ky * dh) % sh != 0) continue
    for (let kx = firstX; kx < kxEnd; kx++)
      if ((qx + padW - kx * dw) % sw == 0)
        written = multiplyTap(rec, ky, kx, rows, written, scratch)
  }
  finishRows(rec, rows, written, scratch + EDGE_BYTES)
}

/** Rows of Out that no tap has written become 0; then all get the bias. */
// @ts-ignore: decorator
@inline
function finishRows(rec: DenseRecord, rows: i32, written: u64, origins: usize): void {
  const bytes = (<usize>rec.inC) << 2
  const bias = rec.bias
  for (let i = 0; i < rows; i++) {
    const out = <usize>load<u32>(origins + ((<usize>i) << 4), 12)
    if (((written >> (i / MR)) & 1) == 0) memory.fill(out, 0, bytes)
    if (bias)
      for (let j: usize = 0; j < bytes; j += 16)
        v128.store(out + j, f32x4.add(v128.load(out + j), v128.load(bias + j)))
  }
}

// @ts-ignore: decorator
@inline
function deltaSource(
  o: usize,
  ky: i32,
  kx: i32,
  sh: i32,
  sw: i32,
  outH: i32,
  outW: i32,
  pixelBytes: usize,
  zeros: usize,
): usize {
  const y = load<i32>(o, 4) - ky
  const x = load<i32>(o, 8) - kx
  if (y < 0 || x < 0) return zeros
  const oy = y / sh
  const ox = x / sw
  if (oy >= outH || ox >= outW) return zeros
  return <usize>load<u32>(o) + <usize>(oy * outW + ox) * pixelBytes
}
