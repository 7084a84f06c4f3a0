/**
 * Tensors between layers, written out as floats: sums of currents and of pooled spikes, and their
 * means over time.
 */

import { address, word } from '../base/record'
import { MaterialiseWord, TermKind, TermWord } from '../opcodes'

/**
 * Out[b][y][x][t][c] = Σ over terms of Scale · Σ over the term's pooling window of
 *   its float tensor, through an affine map per channel where it has one, or
 *   its spikes
 *
 * With Mean there is one row per pixel: the mean of the same over time. Out is written. Unit =
 * PixelsPerUnit pixels. `t` is the step of an outer loop and selects the step of the network's
 * input. Scratch: none.
 */
export function materialise(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const C = word(rec, MaterialiseWord.C)
  const mean = word(rec, MaterialiseWord.Mean) != 0
  const T = mean ? 1 : word(rec, MaterialiseWord.T)
  const H = word(rec, MaterialiseWord.H)
  const W = word(rec, MaterialiseWord.W)
  const pixels = word(rec, MaterialiseWord.Images) * H * W
  const per = word(rec, MaterialiseWord.PixelsPerUnit)
  const end = min(pixels, (unit + 1) * per)
  const rowBytes = (<usize>C) << 2
  let out = address(rec, MaterialiseWord.Out) + <usize>(unit * per * T) * rowBytes
  const terms = word(rec, MaterialiseWord.TermCount)
  const total = <f32>word(rec, MaterialiseWord.TotalSteps)
  const most = word(rec, MaterialiseWord.MostCounted)
  const first = unit * per
  let x = first % W
  let y = (first / W) % H
  let image = first / W / H
  for (let pixel = first; pixel < end; pixel++) {
    for (let step = 0; step < T; step++) {
      let written = false
      let term = address(rec, MaterialiseWord.Terms)
      for (let i = 0; i < terms; i++) {
        written = addWindow(out, term, image, y, x, step, mean, total, most, C, t, written)
        term += TermWord.Bytes
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

/**
 * out[c] = one term at pixel (y, x) of an image, summed over its pooling window; += when
 * `written`. most: counts whose sum 16 bits hold. Returns whether `out` is written now.
 */
function addWindow(
  out: usize,
  term: usize,
  image: i32,
  y: i32,
  x: i32,
  step: i32,
  mean: bool,
  total: f32,
  most: i32,
  C: i32,
  t: i32,
  written: bool,
): bool {
  const sourceH = word(term, TermWord.SourceH)
  const sourceW = word(term, TermWord.SourceW)
  const y0 = y * word(term, TermWord.StrideH) - word(term, TermWord.PadH)
  const x0 = x * word(term, TermWord.StrideW) - word(term, TermWord.PadW)
  const yBegin = max(0, y0)
  const xBegin = max(0, x0)
  const yEnd = min(sourceH, y0 + word(term, TermWord.KernelH))
  const xEnd = min(sourceW, x0 + word(term, TermWord.KernelW))
  const scale = load<f32>(term + ((<usize>TermWord.Scale) << 2))
  const isFloat = word(term, TermWord.Kind) == TermKind.Float
  if (
    mean &&
    !isFloat &&
    yBegin < yEnd &&
    xBegin < xEnd &&
    (yEnd - yBegin) * (xEnd - xBegin) <= most
  ) {
    const counts =
      address(term, TermWord.Counts) +
      <usize>((image * sourceH + yBegin) * sourceW + xBegin) * <usize>C
    addCountWindow(
      out,
      counts,
      yEnd - yBegin,
      xEnd - xBegin,
      <usize>C,
      <usize>(sourceW * C),
      scale / total,
      written,
    )
    return true
  }
  if (!written) memory.fill(out, 0, (<usize>C) << 2)
  for (let sy = yBegin; sy < yEnd; sy++)
    for (let sx = xBegin; sx < xEnd; sx++) {
      const pixel = <usize>((image * sourceH + sy) * sourceW + sx)
      if (isFloat) addFloats(out, term, pixel, step, mean, scale, t)
      else if (mean)
        addCountWindow(
          out,
          address(term, TermWord.Counts) + pixel * <usize>C,
          1,
          1,
          <usize>C,
          0,
          scale / total,
          true,
        )
      else
        addSpikes(
          out,
          address(term, TermWord.Address) +
            <usize>(step >> 3) * address(term, TermWord.PlaneBytes) +
            pixel * <usize>C,
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
  term: usize,
  pixel: usize,
  step: i32,
  mean: bool,
  scale: f32,
  t: i32,
): void {
  const C = word(term, TermWord.Channels)
  let base = address(term, TermWord.Address)
  if (word(term, TermWord.Indirect)) base = <usize>load<u32>(base)
  base += pixel * address(term, TermWord.PixelBytes)
  base += <usize>t * address(term, TermWord.LoopBytes)
  const stepBytes = address(term, TermWord.StepBytes)
  const groupBytes = address(term, TermWord.GroupBytes)
  const scales = address(term, TermWord.ScaleVector)
  const shifts = address(term, TermWord.ShiftVector)
  const steps = mean ? word(term, TermWord.Steps) : 1
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
