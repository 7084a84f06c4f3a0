/**
 * Tensors between layers, written out as floats: sums of currents and of pooled spikes, and their
 * means over time.
 */

import { MaterialiseRecord, Term } from '../generated/records'
import { TermKind } from '../opcodes'

/**
 * Out[b][y][x][t][c] = Σ over terms of Scale · Σ over the term's pooling window of
 *   its float tensor, through an affine map per channel where it has one, or
 *   its spikes
 *
 * With Mean there is one row per pixel: the mean of the same over time, of spikes without Counts
 * the sum of those of Steps steps divided by totalSteps. Out is written. Unit =
 * pixelsPerUnit pixels. `t` is the step of an outer loop and selects the step of the network's
 * input. Scratch: none.
 */
export function materialise(rec: MaterialiseRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.channels
  const mean = rec.mean != 0
  const T = mean ? 1 : rec.steps
  const H = rec.height
  const W = rec.width
  const pixels = rec.images * H * W
  const per = rec.pixelsPerUnit
  const end = min(pixels, (unit + 1) * per)
  const rowBytes = (<usize>C) << 2
  let out = rec.out + <usize>(unit * per * T) * rowBytes
  const terms = rec.termCount
  const steps = rec.steps
  const total = <f32>rec.totalSteps
  const most = rec.mostCounted
  const first = unit * per
  if (!mean && sumsSpikes(rec)) {
    for (let pixel = first; pixel < end; pixel++) {
      writeSums(out, rec.terms, terms, <usize>pixel * <usize>C, C, T)
      out += <usize>T * rowBytes
    }
    return
  }
  let x = first % W
  let y = (first / W) % H
  let image = first / W / H
  for (let pixel = first; pixel < end; pixel++) {
    for (let step = 0; step < T; step++) {
      let written = false
      let term = rec.terms
      for (let i = 0; i < terms; i++) {
        written = addWindow(
          out,
          changetype<Term>(term),
          image,
          y,
          x,
          step,
          mean ? steps : 0,
          total,
          most,
          C,
          t,
          written,
        )
        term += offsetof<Term>()
      }
      out += rowBytes
    }
    if (++x == W) {
      x = 0
      if (++y == H) {
        y = 0
        image++
      }
    }
  }
}

/** Is all of it spikes, pixel by pixel and with a factor of 1? */
function sumsSpikes(rec: MaterialiseRecord): bool {
  let at = rec.terms
  for (let i = rec.termCount; i; i--) {
    const term = changetype<Term>(at)
    if (term.kind == TermKind.Float || term.scale != 1) return false
    if ((term.kernelH | term.kernelW | term.strideH | term.strideW) != 1) return false
    if ((term.padH | term.padW) != 0) return false
    at += offsetof<Term>()
  }
  return true
}

/**
 * out [T][C] = the number of terms, up to 255, that fire: of the channels `at` bytes behind the
 * first of each. C: a multiple of 4; up to 12 bytes behind the last channel are read.
 */
export function writeSums(out: usize, terms: usize, count: i32, at: usize, C: i32, T: i32): void {
  const ones = i8x16.splat(1)
  for (let step = 0; step < T; step++) {
    const plane = <usize>(step >> 3)
    for (let c = 0; c < C; c += 16) {
      let sum = i8x16.splat(0)
      let term = terms
      for (let i = count; i; i--) {
        const one = changetype<Term>(term)
        const masks = v128.load(one.address + plane * one.planeBytes + at + <usize>c)
        sum = i8x16.add(sum, v128.and(i8x16.shr_u(masks, step & 7), ones))
        term += offsetof<Term>()
      }
      const low = i16x8.extend_low_i8x16_u(sum)
      const high = i16x8.extend_high_i8x16_u(sum)
      v128.store(out, f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(low)))
      if (c + 4 < C) v128.store(out, f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(low)), 16)
      if (c + 8 < C) v128.store(out, f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(high)), 32)
      if (c + 12 < C) v128.store(out, f32x4.convert_i32x4_u(i32x4.extend_high_i16x8_u(high)), 48)
      out += (<usize>min(16, C - c)) << 2
    }
  }
}

/**
 * out[c] = one term at pixel (y, x) of an image, summed over its pooling window; += when
 * `written`. means: 0, or the steps of its time mean. most: counts whose sum 16 bits hold. Returns
 * whether `out` is written now.
 */
function addWindow(
  out: usize,
  term: Term,
  image: i32,
  y: i32,
  x: i32,
  step: i32,
  means: i32,
  total: f32,
  most: i32,
  C: i32,
  t: i32,
  written: bool,
): bool {
  const mean = means != 0
  const sourceH = term.sourceH
  const sourceW = term.sourceW
  const y0 = y * term.strideH - term.padH
  const x0 = x * term.strideW - term.padW
  const yBegin = max(0, y0)
  const xBegin = max(0, x0)
  const yEnd = min(sourceH, y0 + term.kernelH)
  const xEnd = min(sourceW, x0 + term.kernelW)
  const scale = term.scale
  const isFloat = term.kind == TermKind.Float
  const down = yEnd - yBegin
  const across = xEnd - xBegin
  const counted = mean && term.counts != 0
  if (counted && !isFloat && down > 0 && across > 0 && down * across <= most) {
    const counts = term.counts + <usize>((image * sourceH + yBegin) * sourceW + xBegin) * <usize>C
    const line = <usize>(sourceW * C)
    addCountWindow(out, counts, down, across, <usize>C, line, scale / total, written)
    return true
  }
  if (!written) memory.fill(out, 0, (<usize>C) << 2)
  for (let sy = yBegin; sy < yEnd; sy++)
    for (let sx = xBegin; sx < xEnd; sx++) {
      const pixel = <usize>((image * sourceH + sy) * sourceW + sx)
      if (isFloat) addFloats(out, term, pixel, step, mean, scale, t)
      else if (mean && !counted)
        for (let plane = 0; plane << 3 < means; plane++)
          addCounts(
            out,
            term.address + <usize>plane * term.planeBytes + pixel * <usize>C,
            scale / total,
            C,
          )
      else if (mean)
        addCountWindow(out, term.counts + pixel * <usize>C, 1, 1, <usize>C, 0, scale / total, true)
      else
        addSpikes(
          out,
          term.address + <usize>(step >> 3) * term.planeBytes + pixel * <usize>C,
          step & 7,
          scale,
          C,
        )
    }
  return true
}

/** Any number of channels: the input image has as many as it has. */
function addFloats(
  out: usize,
  term: Term,
  pixel: usize,
  step: i32,
  mean: bool,
  scale: f32,
  t: i32,
): void {
  const C = term.channels
  let base = term.address
  if (term.indirect) base = <usize>(load<u32>(base) + <u32>(term.indirect - 1))
  base += pixel * term.pixelBytes
  base += <usize>t * term.loopBytes
  const stepBytes = term.stepBytes
  const groupBytes = term.groupBytes
  const scales = term.scaleVector
  const shifts = term.shiftVector
  const steps = mean ? term.steps : 1
  const factor: f32 = scale / <f32>steps
  for (let s = 0; s < steps; s++) {
    const at = mean ? s : step
    const src = base + <usize>at * stepBytes
    const group = <usize>at * groupBytes
    const bytes = (<usize>C) << 2
    const whole = bytes & ~(<usize>15)
    if (scales) addAffineRow(out, src, whole, scales + group, shifts + group, factor)
    else addRow(out, src, whole, factor)
    for (let c = whole; c < bytes; c += 4) {
      let value = load<f32>(src + c)
      if (scales) value = value * load<f32>(scales + group + c) + load<f32>(shifts + group + c)
      store<f32>(out + c, load<f32>(out + c) + factor * value)
    }
  }
}

/** out += factor · x, `bytes` a multiple of 16. */
export function addRow(out: usize, x: usize, bytes: usize, factor: f32): void {
  const f = f32x4.splat(factor)
  for (let c: usize = 0; c < bytes; c += 16)
    v128.store(out + c, f32x4.add(v128.load(out + c), f32x4.mul(f, v128.load(x + c))))
}

/** out += factor · (scale · x + shift), `bytes` a multiple of 16. */
export function addAffineRow(
  out: usize,
  x: usize,
  bytes: usize,
  scale: usize,
  shift: usize,
  factor: f32,
): void {
  const f = f32x4.splat(factor)
  for (let c: usize = 0; c < bytes; c += 16) {
    const value = f32x4.add(f32x4.mul(v128.load(x + c), v128.load(scale + c)), v128.load(shift + c))
    v128.store(out + c, f32x4.add(v128.load(out + c), f32x4.mul(f, value)))
  }
}

/**
 * out[channels] = or += scale · Σ over a window of counts u8, pixels `channels` and rows `rowBytes`
 * apart; at most 257 of them. channels: a multiple of 4.
 */
export function addCountWindow(
  out: usize,
  counts: usize,
  rows: i32,
  columns: i32,
  channels: usize,
  rowBytes: usize,
  scale: f32,
  add: bool,
): void {
  const s = f32x4.splat(scale)
  const wide = channels & ~(<usize>7)
  let c: usize = 0
  for (; c < wide; c += 8) {
    let sum = i16x8.splat(0)
    let line = counts + c
    for (let i = rows; i; i--) {
      let pixel = line
      for (let j = columns; j; j--) {
        sum = i16x8.add(sum, i16x8.extend_low_i8x16_u(v128.load64_zero(pixel)))
        pixel += channels
      }
      line += rowBytes
    }
    storeCounts(out, i32x4.extend_low_i16x8_u(sum), s, add)
    storeCounts(out + 16, i32x4.extend_high_i16x8_u(sum), s, add)
    out += 32
  }
  if (c < channels) {
    let sum = i32x4.splat(0)
    let line = counts + c
    for (let i = rows; i; i--) {
      let pixel = line
      for (let j = columns; j; j--) {
        sum = i32x4.add(
          sum,
          i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(pixel))),
        )
        pixel += channels
      }
      line += rowBytes
    }
    storeCounts(out, sum, s, add)
  }
}

// @ts-ignore: decorator
@inline
function storeCounts(out: usize, sum: v128, scale: v128, add: bool): void {
  const x = f32x4.mul(scale, f32x4.convert_i32x4_s(sum))
  v128.store(out, add ? f32x4.add(v128.load(out), x) : x)
}

/** out += scale · the bits of each byte. */
function addCounts(out: usize, masks: usize, scale: f32, C: i32): void {
  for (let c = 0; c < C; c += 4) {
    const bits = i8x16.popcnt(v128.load32_zero(masks))
    const counts = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bits))
    storeCounts(out, counts, f32x4.splat(scale), true)
    masks += 4
    out += 16
  }
}

function addSpikes(out: usize, masks: usize, bit: i32, scale: f32, C: i32): void {
  const s = f32x4.splat(scale)
  const one = i32x4.splat(1)
  for (let c = 0; c < C; c += 4) {
    const m = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(masks)))
    const x = f32x4.convert_i32x4_s(v128.and(i32x4.shr_u(m, bit), one))
    v128.store(out, f32x4.add(v128.load(out), f32x4.mul(s, x)))
    masks += 4
    out += 16
  }
}
