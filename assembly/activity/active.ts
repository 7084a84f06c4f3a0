/**
 * What a weighted layer reads, counted by place: at how many steps of the valid images an input is
 * not 0. From these counts and the weights that are not 0 follow the effective operations of a
 * layer (NeuroBench, Yik et al. 2025, doi 10.1038/s41467-025-56739-4).
 */

import { ActiveRecord, Source } from '../generated/records'
import { Control } from '../opcodes'

/** Images of the run that are no padding. */
function validImages(rec: ActiveRecord): i32 {
  const left = load<i32>(Control.Valid) - load<i32>(Control.FirstImage)
  return max(0, min(left, rec.images))
}

/** 1 in the unit's word of Others. */
function noteOther(rec: ActiveRecord, unit: i32): void {
  store<u32>(rec.others + ((<usize>unit) << 2), 1)
}

/**
 * Out [P][C] += the number of steps, over the valid images, at which any spike comes: of any
 * source in the window of the pixel. Others = 1 where two came together. Bytes count first; words
 * take over before they are more than MostCounted. Unit = pixelsPerUnit pixels. Scratch:
 * pixelsPerUnit·C bytes.
 */
export function activeSpikes(rec: ActiveRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const per = rec.pixelsPerUnit
  const first = unit * per
  const end = min(rec.pixels, first + per)
  const bytes = <usize>(end - first) * C
  const out = rec.out + ((<usize>first * C) << 2)
  const images = validImages(rec)
  const T = rec.steps
  const planes = (T + 7) >> 3
  const most = min(8, T)
  const mostCounted = rec.mostCounted
  const windows = isWindow(rec)
  const masks = changetype<Source>(rec.sources).masks
  const imageBytes = <usize>(rec.sourceH * rec.sourceW) * C
  memory.fill(scratch, 0, bytes)
  let room = mostCounted
  let twice: u32 = 0
  for (let image = 0; image < images; image++) {
    for (let plane = 0; plane < planes; plane++) {
      if (room < most) {
        takeBytes(out, scratch, bytes)
        memory.fill(scratch, 0, bytes)
        room = mostCounted
      }
      room -= most
      const at = <usize>plane * rec.planeBytes + <usize>image * imageBytes
      if (windows) twice |= activeWindows(rec, at, first, end, scratch)
      else activeMasks(scratch, <usize>masks + at + <usize>first * C, bytes)
    }
  }
  takeBytes(out, scratch, bytes)
  if (twice) noteOther(rec, unit)
}

/** Are there several sources, or a window that is not a single pixel at its place? */
function isWindow(rec: ActiveRecord): bool {
  return (
    rec.sourceCount > 1 ||
    (rec.kernelH | rec.kernelW | rec.strideH | rec.strideW) != 1 ||
    (rec.padH | rec.padW) != 0
  )
}

/** counts [bytes] += bits that are set; `bytes` a multiple of 4. */
export function activeMasks(counts: usize, masks: usize, bytes: usize): void {
  const whole = bytes & ~15
  for (let i: usize = 0; i < whole; i += 16)
    v128.store(counts + i, i8x16.add(v128.load(counts + i), i8x16.popcnt(v128.load(masks + i))))
  for (let i = whole; i < bytes; i += 4) addQuad(counts + i, v128.load32_zero(masks + i))
}

/** Four bytes of counts += the bits of four bytes of masks. */
// @ts-ignore: decorator
@inline
function addQuad(counts: usize, mask: v128): void {
  v128.store32_lane(counts, i8x16.add(v128.load32_zero(counts), i8x16.popcnt(mask)), 0)
}

/** u32 out [bytes] += bytes; `bytes` a multiple of 4. */
export function takeBytes(out: usize, counts: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 4) {
    const wide = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(counts + i)))
    const at = out + (i << 2)
    v128.store(at, i32x4.add(v128.load(at), wide))
  }
}

/**
 * counts += the steps of a plane at which any spike is in a pixel's window; pixels first … end − 1
 * of the image whose masks lie `at` bytes behind each source's first. Returns not 0 where there are
 * two at a step.
 */
function activeWindows(rec: ActiveRecord, at: usize, first: i32, end: i32, counts: usize): u32 {
  const C = rec.channels
  const W = rec.width
  const sourceH = rec.sourceH
  const sourceW = rec.sourceW
  const kernelH = rec.kernelH
  const kernelW = rec.kernelW
  const strideH = rec.strideH
  const strideW = rec.strideW
  const padH = rec.padH
  const padW = rec.padW
  const lineBytes = <usize>sourceW * C
  const sources = rec.sources
  const behind = sources + <usize>rec.sourceCount * offsetof<Source>()
  const whole = C & ~15
  let twice: u32 = 0
  for (let pixel = first; pixel < end; pixel++) {
    const y0 = (pixel / W) * strideH - padH
    const x0 = (pixel % W) * strideW - padW
    const top = max(0, y0)
    const left = max(0, x0)
    const rows = min(sourceH, y0 + kernelH) - top
    const width = <usize>max(0, min(sourceW, x0 + kernelW) - left) * C
    const corner = at + <usize>top * lineBytes + <usize>left * C
    for (let c: usize = 0; c < whole; c += 16)
      twice |= activeWide(sources, behind, corner + c, rows, lineBytes, width, C, counts + c)
    for (let c = whole; c < C; c += 4)
      twice |= activeQuad(sources, behind, corner + c, rows, lineBytes, width, C, counts + c)
    counts += C
  }
  return twice
}

/**
 * Sixteen bytes of counts, or four, += the steps at which any spike is in a window: of each source
 * the rows from `corner` on, of which pixels of C bytes are read up to `width`. Returns whether
 * there are two at a step.
 */
// @ts-ignore: decorator
@variants('activeWide', false)
@variants('activeQuad', true)
export function activeBytes(
  quad: bool,
  sources: usize,
  behind: usize,
  corner: usize,
  rows: i32,
  lineBytes: usize,
  width: usize,
  C: usize,
  counts: usize,
): u32 {
  let seen = i8x16.splat(0)
  let twice = i8x16.splat(0)
  for (let source = sources; source < behind; source += offsetof<Source>()) {
    let line = changetype<Source>(source).masks + corner
    for (let row = 0; row < rows; row++) {
      for (let x: usize = 0; x < width; x += C) {
        const mask = quad ? v128.load32_zero(line + x) : v128.load(line + x)
        twice = v128.or(twice, v128.and(seen, mask))
        seen = v128.or(seen, mask)
      }
      line += lineBytes
    }
  }
  if (quad) addQuad(counts, seen)
  else v128.store(counts, i8x16.add(v128.load(counts), i8x16.popcnt(seen)))
  return v128.any_true(twice) ? 1 : 0
}

/**
 * Out [P][C] += the number of steps, over the valid images, at which a float is not 0. One that is
 * the same at every step of the call (stepBytes 0) counts for all of them. Others = 1 where one is
 * not ±1 either. Unit = pixelsPerUnit pixels. Scratch: none.
 */
export function activeFloats(rec: ActiveRecord, unit: i32, t: i32, scratch: usize): void {
  const stepBytes = rec.stepBytes
  const T = rec.steps
  const rows = stepBytes ? T : 1
  const times = stepBytes ? 1 : T
  const C = rec.channels
  const per = rec.pixelsPerUnit
  const first = unit * per
  const end = min(rec.pixels, first + per)
  const pixelBytes = rec.pixelBytes
  const images = validImages(rec)
  const out = rec.out + ((<usize>first * C) << 2)
  let x = rec.in
  if (rec.indirect) x = <usize>(load<u32>(x) + <u32>(rec.indirect - 1))
  x += <usize>t * rec.loopBytes
  const together = rows == 1 && pixelBytes == C << 2
  let other: u32 = 0
  for (let image = 0; image < images; image++) {
    let pixel = x + <usize>(image * rec.pixels + first) * pixelBytes
    if (together) {
      other |= activeRow(out, pixel, <usize>(end - first) * C, times)
      continue
    }
    let counts = out
    for (let p = first; p < end; p++) {
      for (let row = 0; row < rows; row++)
        other |= activeRow(counts, pixel + <usize>row * stepBytes, C, times)
      counts += C << 2
      pixel += pixelBytes
    }
  }
  if (other) noteOther(rec, unit)
}

/** u32 out [count] += times where x is not 0. Returns whether one is not ±1 either. */
export function activeRow(out: usize, x: usize, count: usize, times: u32): u32 {
  const end = count & ~3
  const zero = f32x4.splat(0)
  const one = f32x4.splat(1)
  const more = i32x4.splat(times)
  let others = i32x4.splat(0)
  for (let i: usize = 0; i < end; i += 4) {
    const value = v128.load(x + (i << 2))
    const active = f32x4.ne(value, zero)
    const at = out + (i << 2)
    v128.store(at, i32x4.add(v128.load(at), v128.and(active, more)))
    others = v128.or(others, v128.and(active, f32x4.ne(f32x4.abs(value), one)))
  }
  let other: u32 = v128.any_true(others) ? 1 : 0
  for (let i = end; i < count; i++) {
    const value = load<f32>(x + (i << 2))
    if (value == 0) continue
    const at = out + (i << 2)
    store<u32>(at, load<u32>(at) + times)
    if (abs(value) != 1) other = 1
  }
  return other
}
