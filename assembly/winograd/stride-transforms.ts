/**
 * Winograd's transforms of tiles, kernels and results for the input gradient of stride 2. The
 * equations and names are in stride-gradient.ts.
 */

import { touchLines } from '../base/touch'
import { WinogradStride } from '../opcodes'
import { CHUNK, CHUNK_BYTES, ROWS_BYTES, VECTOR_BYTES } from './sizes'
import { kernelLine, oddPixels, patchLine } from './stride-lines'
import { clear } from './transforms'

/** Pixels of a patch along an axis, values of a transformed line, and pixels of a result. */
const PATCH: i32 = 5
const LINE: usize = WinogradStride.Line
const RESULT: usize = 8

const LINE_BYTES: usize = WinogradStride.LineBytes

/**
 * One patch of `vectors` times four channels → 81 planes at `dst`. The addresses of its five rows
 * are in `rows` (u32). Columns up to `columns` are read; the caller left zeros for the others in
 * `line` [9][5]. Behind each chunk of channels `dst` jumps.
 */
export function stridePatch(
  dst: usize,
  jump: usize,
  plane: usize,
  rows: usize,
  columns: usize,
  pixel: usize,
  vectors: i32,
  line: usize,
): void {
  const r0 = <usize>load<u32>(rows)
  const r1 = <usize>load<u32>(rows, 4)
  const r2 = <usize>load<u32>(rows, 8)
  const r3 = <usize>load<u32>(rows, 12)
  const r4 = <usize>load<u32>(rows, 16)
  const pitch: usize = 5 * VECTOR_BYTES
  const last = line + columns * VECTOR_BYTES
  const end = line + LINE * pitch
  let at: usize = 0
  let left = CHUNK >> 2
  for (; vectors > 0; vectors--) {
    let o = at
    for (let l = line; l < last; l += VECTOR_BYTES) {
      const x0 = v128.load(r0 + o)
      const x1 = v128.load(r1 + o)
      const x2 = v128.load(r2 + o)
      const x3 = v128.load(r3 + o)
      patchLine(x0, x1, x2, x3, v128.load(r4 + o), l, pitch)
      o += pixel
    }
    let d = dst
    for (let l = line; l < end; l += pitch) {
      const x0 = v128.load(l)
      const x1 = v128.load(l, 16)
      const x2 = v128.load(l, 32)
      const x3 = v128.load(l, 48)
      patchLine(x0, x1, x2, x3, v128.load(l, 64), d, plane)
      d += LINE * plane
    }
    at += VECTOR_BYTES
    dst += VECTOR_BYTES
    if (--left == 0) {
      left = CHUNK >> 2
      dst += jump
    }
  }
}

/**
 * Transforms the patches of one tile row of δ [B][H][W][T][channels] into 81 planes: tile i of the
 * row has its chunk j of channels at dst + i·CHUNK_BYTES + j·step. Tile rows are (image, row, t),
 * t runs fastest. The first step's row touches the pixels of all steps, and so does the `first`
 * row of a unit. Scratch: LineBytes + 64 bytes, then five pixels of T·channels.
 */
export function strideRow(
  dst: usize,
  step: usize,
  plane: usize,
  delta: usize,
  h: i32,
  w: i32,
  channels: i32,
  steps: i32,
  tileRow: i32,
  first: bool,
  scratch: usize,
): void {
  const down = (h + 3) >> 2
  const t = tileRow % steps
  const row = tileRow / steps
  const image = row / down
  const y = (row - image * down) * 4
  const channelBytes = (<usize>channels) << 2
  const pixel = channelBytes * <usize>steps
  const rowBytes = pixel * <usize>w
  const line = scratch
  const rows = line + LINE_BYTES
  const zeros = rows + ROWS_BYTES
  const pixels = delta + <usize>(image * h + y) * rowBytes
  const inside = min(PATCH, h - y)
  if (inside < PATCH) for (let i = 0; i < PATCH; i++) clear(zeros + <usize>i * pixel, channelBytes)
  if (first || t == 0) touchLines(pixels, <usize>inside * rowBytes, line)
  for (let x = 0; x < w; x += 4) {
    for (let k = 0; k < PATCH; k++) {
      const at = pixels + <usize>k * rowBytes + <usize>x * pixel + <usize>t * channelBytes
      store<u32>(rows + ((<usize>k) << 2), <u32>(k < inside ? at : zeros))
    }
    const columns = min(PATCH, w - x)
    for (let i = columns; i < PATCH; i++)
      for (let j: usize = 0; j < LINE; j++)
        v128.store(line + ((j * 5 + <usize>i) << 4), f32x4.splat(0))
    stridePatch(dst, step - CHUNK_BYTES, plane, rows, columns, pixel, channels >> 2, line)
    dst += CHUNK_BYTES
  }
}

/**
 * `count` times 3×3 vectors at `src`, rotated, → 36 planes at `dst`. `line`: LineBytes.
 */
export function strideKernel(dst: usize, plane: usize, src: usize, count: i32, line: usize): void {
  for (; count > 0; count--) {
    for (let o: usize = 0; o < 48; o += VECTOR_BYTES) {
      const at = src + o
      kernelLine(v128.load(at), v128.load(at, 48), v128.load(at, 96), line + o, 48)
    }
    let d = dst
    for (let l = line; l < line + 288; l += 48) {
      kernelLine(v128.load(l), v128.load(l, 16), v128.load(l, 32), d, plane)
      d += plane * 6
    }
    src += 144
    dst += VECTOR_BYTES
  }
}

/**
 * 81 planes at `src` → 8×8 pixels of `vectors` times four channels. `rows` (u32) has the addresses
 * of the eight rows of pixels, of which `columns` are written. `line`: LineBytes.
 */
export function strideOutput(
  rows: usize,
  columns: usize,
  pixel: usize,
  src: usize,
  plane: usize,
  vectors: i32,
  line: usize,
): void {
  const pitch = RESULT * VECTOR_BYTES
  const end = line + LINE * pitch
  const last = line + columns * VECTOR_BYTES
  let at: usize = 0
  for (; vectors > 0; vectors--) {
    let p = src
    for (let l = line; l < end; l += pitch) {
      v128.store(l, v128.load(p))
      v128.store(l, v128.load(p + plane), 32)
      v128.store(l, v128.load(p + plane * 2), 64)
      v128.store(l, v128.load(p + plane * 3), 96)
      oddPixels(
        v128.load(p + plane * 4),
        v128.load(p + plane * 5),
        v128.load(p + plane * 6),
        v128.load(p + plane * 7),
        v128.load(p + plane * 8),
        l + 16,
        l + 48,
        l + 80,
        l + 112,
      )
      p += plane * LINE
    }
    let o = at
    for (let l = line; l < last; l += VECTOR_BYTES) {
      v128.store(<usize>load<u32>(rows) + o, v128.load(l))
      v128.store(<usize>load<u32>(rows, 8) + o, v128.load(l, 128))
      v128.store(<usize>load<u32>(rows, 16) + o, v128.load(l, 256))
      v128.store(<usize>load<u32>(rows, 24) + o, v128.load(l, 384))
      oddPixels(
        v128.load(l, 512),
        v128.load(l, 640),
        v128.load(l, 768),
        v128.load(l, 896),
        v128.load(l, 1024),
        <usize>load<u32>(rows, 4) + o,
        <usize>load<u32>(rows, 12) + o,
        <usize>load<u32>(rows, 20) + o,
        <usize>load<u32>(rows, 28) + o,
      )
      o += pixel
    }
    at += VECTOR_BYTES
    src += VECTOR_BYTES
  }
}
