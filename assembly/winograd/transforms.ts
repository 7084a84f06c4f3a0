/** Winograd's transforms of tiles, kernels and results. The equations and names are in sizes.ts. */

import { touchLines } from '../base/touch'
import { kernel, output, patch, taps, tile, times } from './lines'
import { ROWS_BYTES, TRANSFORM_BYTES, VECTOR_BYTES } from './sizes'

// --- Transforms of a tensor's tiles: down the columns into `line`, then along its rows. ---

/**
 * One tile of `vectors` times four channels → 36 planes at `dst`. With `halo` it is six rows of
 * six pixels, and Bᵀ x B, otherwise four rows of four, and G' x G'ᵀ. Their addresses are in `rows`
 * (u32). Columns `from` … `to` − 1 are read; the caller left the others in `line` [6
 * rows][6 or 4]. Behind each `group` of vectors `dst` jumps.
 */
// @ts-ignore: decorator
@variants('winogradPatch', true)
@variants('winogradTile', false)
export function transformTile(
  halo: bool,
  dst: usize,
  group: i32,
  jump: usize,
  plane: usize,
  rows: usize,
  from: usize,
  to: usize,
  pixel: usize,
  vectors: i32,
  line: usize,
): void {
  const r0 = <usize>load<u32>(rows)
  const r1 = <usize>load<u32>(rows, 4)
  const r2 = <usize>load<u32>(rows, 8)
  const r3 = <usize>load<u32>(rows, 12)
  const r4 = halo ? <usize>load<u32>(rows, 16) : 0
  const r5 = halo ? <usize>load<u32>(rows, 20) : 0
  const pitch: usize = halo ? 96 : 64
  const first = line + from * VECTOR_BYTES
  const last = line + to * VECTOR_BYTES
  const end = line + 6 * pitch
  const plane6 = plane * 6
  let at = from * pixel
  let left = group
  for (; vectors > 0; vectors--) {
    let o = at
    for (let l = first; l < last; l += VECTOR_BYTES) {
      const x0 = v128.load(r0 + o)
      const x1 = v128.load(r1 + o)
      const x2 = v128.load(r2 + o)
      const x3 = v128.load(r3 + o)
      if (halo) patch(x0, x1, x2, x3, v128.load(r4 + o), v128.load(r5 + o), l, pitch)
      else tile(x0, x1, x2, x3, l, pitch)
      o += pixel
    }
    let d = dst
    for (let l = line; l < end; l += pitch) {
      const x0 = v128.load(l)
      const x1 = v128.load(l, 16)
      const x2 = v128.load(l, 32)
      const x3 = v128.load(l, 48)
      if (halo) patch(x0, x1, x2, x3, v128.load(l, 64), v128.load(l, 80), d, plane)
      else tile(x0, x1, x2, x3, d, plane)
      d += plane6
    }
    at += VECTOR_BYTES
    dst += VECTOR_BYTES
    if (--left == 0) {
      left = group
      dst += jump
    }
  }
}

/** Writes zeros to `bytes` (a multiple of 16) at `dst`. */
export function clear(dst: usize, bytes: usize): void {
  for (const end = dst + bytes; dst < end; dst += VECTOR_BYTES) v128.store(dst, f32x4.splat(0))
}

/**
 * Transforms the tiles of one tile row of a tensor [B][H][W][T][channels] into planes: with `halo`
 * their 6×6 patches by Bᵀ, otherwise their 4×4 pixels by G'. Tile rows are (image, row, t), t runs
 * fastest. In each plane the channels are in groups: tile i of the row has group j at dst +
 * i·16·group + j·step bytes. The first step's row touches the pixels of all steps, and so does the
 * `first` row of a unit. Scratch: 576 + 64 bytes, then six pixels of T·channels.
 */
export function transformRow(
  dst: usize,
  group: i32,
  step: usize,
  plane: usize,
  tensor: usize,
  h: i32,
  w: i32,
  channels: i32,
  steps: i32,
  halo: bool,
  tileRow: i32,
  first: bool,
  scratch: usize,
): void {
  const down = (h + 3) >> 2
  const t = tileRow % steps
  const row = tileRow / steps
  const image = row / down
  const margin = i32(halo)
  const size = halo ? 6 : 4
  const y = (row - image * down) * 4 - margin
  const channelBytes = (<usize>channels) << 2
  const pixel = channelBytes * <usize>steps
  const rowBytes = pixel * <usize>w
  const line = scratch
  const rows = line + TRANSFORM_BYTES
  const zeros = rows + ROWS_BYTES
  const origin = tensor + <usize>(image * h + y) * rowBytes + <usize>t * channelBytes
  const groupBytes = <usize>group * VECTOR_BYTES
  if (y < 0 || y + size > h)
    for (let i: usize = 0; i < 6; i++) clear(zeros + i * pixel, channelBytes)
  const top = max(0, y)
  if (first || t == 0)
    touchLines(
      tensor + <usize>(image * h + top) * rowBytes,
      <usize>(min(h, y + size) - top) * rowBytes,
      line,
    )
  for (let x = -margin; x + margin < w; x += 4) {
    for (let k = 0; k < size; k++) {
      const inside = <u32>(y + k) < <u32>h
      const source = inside ? origin + <usize>k * rowBytes + <usize>x * pixel : zeros
      store<u32>(rows + ((<usize>k) << 2), <u32>source)
    }
    const from = max(0, -x)
    const to = min(size, w - x)
    for (let i = 0; i < size; i++)
      if (i < from || i >= to)
        for (let j = 0; j < 6; j++)
          v128.store(line + ((<usize>(j * size + i)) << 4), f32x4.splat(0))
    const jump = step - groupBytes
    const vectors = channels >> 2
    if (halo) winogradPatch(dst, group, jump, plane, rows, from, to, pixel, vectors, line)
    else winogradTile(dst, group, jump, plane, rows, from, to, pixel, vectors, line)
    dst += groupBytes
  }
}

// --- Transforms of kernels and results. ---

/** G W Gᵀ: `count` times 3×3 vectors at `src` → 36 planes at `dst`. */
export function winogradKernel(dst: usize, plane: usize, src: usize, count: i32): void {
  const plane6 = plane * 6
  for (; count > 0; count--) {
    let d = dst
    kernel(
      times(0.25, v128.load(src)),
      times(0.25, v128.load(src, 16)),
      times(0.25, v128.load(src, 32)),
      d,
      plane,
    )
    d += plane6
    let e0 = times(-1.0 / 6.0, f32x4.add(v128.load(src), v128.load(src, 96)))
    let e1 = times(-1.0 / 6.0, f32x4.add(v128.load(src, 16), v128.load(src, 112)))
    let e2 = times(-1.0 / 6.0, f32x4.add(v128.load(src, 32), v128.load(src, 128)))
    let o0 = times(-1.0 / 6.0, v128.load(src, 48))
    let o1 = times(-1.0 / 6.0, v128.load(src, 64))
    let o2 = times(-1.0 / 6.0, v128.load(src, 80))
    kernel(f32x4.add(e0, o0), f32x4.add(e1, o1), f32x4.add(e2, o2), d, plane)
    d += plane6
    kernel(f32x4.sub(e0, o0), f32x4.sub(e1, o1), f32x4.sub(e2, o2), d, plane)
    d += plane6
    e0 = f32x4.add(times(1.0 / 24.0, v128.load(src)), times(1.0 / 6.0, v128.load(src, 96)))
    e1 = f32x4.add(times(1.0 / 24.0, v128.load(src, 16)), times(1.0 / 6.0, v128.load(src, 112)))
    e2 = f32x4.add(times(1.0 / 24.0, v128.load(src, 32)), times(1.0 / 6.0, v128.load(src, 128)))
    o0 = times(1.0 / 12.0, v128.load(src, 48))
    o1 = times(1.0 / 12.0, v128.load(src, 64))
    o2 = times(1.0 / 12.0, v128.load(src, 80))
    kernel(f32x4.add(e0, o0), f32x4.add(e1, o1), f32x4.add(e2, o2), d, plane)
    d += plane6
    kernel(f32x4.sub(e0, o0), f32x4.sub(e1, o1), f32x4.sub(e2, o2), d, plane)
    d += plane6
    kernel(v128.load(src, 96), v128.load(src, 112), v128.load(src, 128), d, plane)
    src += 144
    dst += VECTOR_BYTES
  }
}

/**
 * Aᵀ M A: 36 planes at `src` → 4×4 pixels of `vectors` times four channels. `rows` (u32) has the
 * addresses of the four rows of pixels, of which `columns` are written. `line`: TRANSFORM_BYTES.
 */
export function winogradOutput(
  rows: usize,
  columns: i32,
  pixel: usize,
  src: usize,
  plane: usize,
  vectors: i32,
  line: usize,
): void {
  let r0 = <usize>load<u32>(rows)
  let r1 = <usize>load<u32>(rows, 4)
  let r2 = <usize>load<u32>(rows, 8)
  let r3 = <usize>load<u32>(rows, 12)
  const plane6 = plane * 6
  const end = line + 384
  const last = line + ((<usize>columns) << 4)
  for (; vectors > 0; vectors--) {
    let p = src
    for (let l = line; l < end; l += 64) {
      output(
        v128.load(p),
        v128.load(p + plane),
        v128.load(p + plane * 2),
        v128.load(p + plane * 3),
        v128.load(p + plane * 4),
        v128.load(p + plane * 5),
        l,
        l + 16,
        l + 32,
        l + 48,
      )
      p += plane6
    }
    let o: usize = 0
    for (let l = line; l < last; l += VECTOR_BYTES) {
      output(
        v128.load(l),
        v128.load(l, 64),
        v128.load(l, 128),
        v128.load(l, 192),
        v128.load(l, 256),
        v128.load(l, 320),
        r0 + o,
        r1 + o,
        r2 + o,
        r3 + o,
      )
      o += pixel
    }
    r0 += VECTOR_BYTES
    r1 += VECTOR_BYTES
    r2 += VECTOR_BYTES
    r3 += VECTOR_BYTES
    src += VECTOR_BYTES
  }
}

/**
 * scale · A'ᵀ M A': 36 planes at `src` → 3×3 taps at `dst`, `tap` bytes apart, of `vectors` times
 * four channels; written, with `add` +=. `line`: TRANSFORM_BYTES.
 */
export function winogradGradient(
  dst: usize,
  tap: usize,
  src: usize,
  plane: usize,
  scale: f32,
  add: bool,
  vectors: i32,
  line: usize,
): void {
  const factor = f32x4.splat(scale)
  const plane6 = plane * 6
  const end = line + 288
  for (; vectors > 0; vectors--) {
    let p = src
    for (let l = line; l < end; l += 48) {
      taps(
        v128.load(p),
        v128.load(p + plane),
        v128.load(p + plane * 2),
        v128.load(p + plane * 3),
        v128.load(p + plane * 4),
        v128.load(p + plane * 5),
        false,
        factor,
        add,
        l,
        l + 16,
        l + 32,
      )
      p += plane6
    }
    let d = dst
    for (let l = line; l < line + 48; l += VECTOR_BYTES) {
      taps(
        v128.load(l),
        v128.load(l, 48),
        v128.load(l, 96),
        v128.load(l, 144),
        v128.load(l, 192),
        v128.load(l, 240),
        true,
        factor,
        add,
        d,
        d + tap * 3,
        d + tap * 6,
      )
      d += tap
    }
    src += VECTOR_BYTES
    dst += VECTOR_BYTES
  }
}
