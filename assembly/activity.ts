/** Tensors between layers written out as floats: sums of currents and of pooled spikes, and their time means. */

import { address, word } from './record'
import { MaterialiseWord, TermWord } from './opcodes'

/**
 * Out[b][y][x][t][c] = Σ over terms of Scale · (float tensor, affine per channel) or Scale · Σ over the pooling window of spikes.
 * Mean: one row per pixel, the time mean of the same. unit = PixelsPerUnit pixels. Writes. t selects the step of an outer loop for the input.
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
  const rowBytes = <usize>C << 2
  let out = address(rec, MaterialiseWord.Out) + <usize>(unit * per * T) * rowBytes
  const terms = word(rec, MaterialiseWord.TermCount)
  const total = <f32>word(rec, MaterialiseWord.TotalSteps)
  for (let pixel = unit * per; pixel < end; pixel++) {
    const line = pixel / W
    for (let step = 0; step < T; step++) {
      memory.fill(out, 0, rowBytes)
      let term = address(rec, MaterialiseWord.Terms)
      for (let i = 0; i < terms; i++) {
        window(out, term, line / H, line % H, pixel % W, step, mean, total, C, t)
        term += TermWord.Bytes
      }
      out += rowBytes
    }
  }
}

/** out[c] += one term at pixel (y, x) of an image, summed over its pooling window. */
function window(out: usize, term: usize, image: i32, y: i32, x: i32, step: i32, mean: bool, total: f32, C: i32, t: i32): void {
  const sourceH = word(term, TermWord.SourceH)
  const sourceW = word(term, TermWord.SourceW)
  const y0 = y * word(term, TermWord.StrideH) - word(term, TermWord.PadH)
  const x0 = x * word(term, TermWord.StrideW) - word(term, TermWord.PadW)
  const yEnd = min(sourceH, y0 + word(term, TermWord.KernelH))
  const xEnd = min(sourceW, x0 + word(term, TermWord.KernelW))
  const scale = load<f32>(term + (<usize>TermWord.Scale << 2))
  for (let sy = max(0, y0); sy < yEnd; sy++)
    for (let sx = max(0, x0); sx < xEnd; sx++) {
      const pixel = <usize>((image * sourceH + sy) * sourceW + sx)
      if (word(term, TermWord.Kind) == 0) addFloats(out, term, pixel, step, mean, scale, t)
      else if (mean) addCounts(out, address(term, TermWord.Counts) + pixel * <usize>C, scale / total, C)
      else addSpikes(out, address(term, TermWord.Address) + <usize>(step >> 3) * address(term, TermWord.PlaneBytes) + pixel * <usize>C, step & 7, scale, C)
    }
}

/** Any number of channels: the input image has as many as it has. */
function addFloats(out: usize, term: usize, pixel: usize, step: i32, mean: bool, scale: f32, t: i32): void {
  const C = word(term, TermWord.Channels)
  let base = address(term, TermWord.Address)
  if (word(term, TermWord.Indirect)) base = <usize>load<u32>(base)
  base += pixel * address(term, TermWord.PixelBytes)
  const stepBytes = address(term, TermWord.StepBytes)
  const groupBytes = address(term, TermWord.GroupBytes)
  const scales = address(term, TermWord.ScaleVector)
  const shifts = address(term, TermWord.ShiftVector)
  const steps = mean ? word(term, TermWord.Steps) : 1
  const factor: f32 = scale / <f32>steps
  for (let s = 0; s < steps; s++) {
    const at = mean ? s : step + t
    const src = base + <usize>at * stepBytes
    const group = <usize>at * groupBytes
    for (let c: usize = 0; c < <usize>C << 2; c += 4) {
      let value = load<f32>(src + c)
      if (scales) value = value * load<f32>(scales + group + c) + load<f32>(shifts + group + c)
      store<f32>(out + c, load<f32>(out + c) + factor * value)
    }
  }
}

function addCounts(out: usize, counts: usize, scale: f32, C: i32): void {
  const s = f32x4.splat(scale)
  for (let c = 0; c < C; c += 4) {
    const x = f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(counts))))
    v128.store(out, f32x4.add(v128.load(out), f32x4.mul(s, x)))
    counts += 4
    out += 16
  }
}

function addSpikes(out: usize, masks: usize, bit: i32, scale: f32, C: i32): void {
  const s = f32x4.splat(scale)
  const one = i32x4.splat(1)
  for (let c = 0; c < C; c += 4) {
    const m = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(masks)))
    const x = f32x4.convert_i32x4_u(v128.and(i32x4.shr_u(m, bit), one))
    v128.store(out, f32x4.add(v128.load(out), f32x4.mul(s, x)))
    masks += 4
    out += 16
  }
}
