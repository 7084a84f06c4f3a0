/** Gradients that arrive at a tensor from its consumers, each through a pooling window (`ContributionWord`), summed. */
import { ContributionWord } from './opcodes'

/** Is the contribution the tensor itself, [P][T][C], so that rows can be taken together? */
export function isContiguous(contribution: usize, steps: u32, rowBytes: usize): bool {
  return isUnpooled(contribution) && load<u32>(contribution, ContributionWord.PixelBytes * 4) == steps * <u32>rowBytes
    && (steps == 1 || load<u32>(contribution, ContributionWord.StepBytes * 4) == <u32>rowBytes)
}

// @ts-ignore: decorator
@inline
function isUnpooled(contribution: usize): bool {
  return load<u32>(contribution, ContributionWord.KernelH * 4) == 1 && load<u32>(contribution, ContributionWord.KernelW * 4) == 1
    && load<u32>(contribution, ContributionWord.StrideH * 4) == 1 && load<u32>(contribution, ContributionWord.StrideW * 4) == 1
    && (load<u32>(contribution, ContributionWord.PadH * 4) | load<u32>(contribution, ContributionWord.PadW * 4)) == 0
}

/** out [end − first][T][C] = the sum of the contributions at pixels first … end − 1. */
export function gather(out: usize, first: u32, end: u32, table: usize, count: u32, height: u32, width: u32, steps: u32, rowBytes: usize): void {
  const pixelBytes = <usize>steps * rowBytes
  let begin: u32 = 0
  if (count > 0 && isContiguous(table, steps, rowBytes)) {
    const g = <usize>load<u32>(table, ContributionWord.Address * 4) + <usize>first * pixelBytes
    neuronRowScaled(out, g, <usize>(end - first) * pixelBytes, load<f32>(table, ContributionWord.Scale * 4))
    begin = 1
  }
  let x = first % width
  let y = first / width % height
  let image = first / width / height
  for (let pixel = first; pixel < end; pixel++) {
    let written = begin == 1
    for (let i = begin; i < count; i++) {
      written = gatherPixel(out, table + <usize>i * ContributionWord.Bytes, image, y, x, steps, rowBytes, written)
    }
    if (!written) memory.fill(out, 0, pixelBytes)
    out += pixelBytes
    if (++x == width) {
      x = 0
      if (++y == height) {
        y = 0
        image++
      }
    }
  }
}

/** out [T][C] (+)= one contribution at one pixel; returns whether out holds a value now. */
function gatherPixel(out: usize, contribution: usize, image: u32, y: u32, x: u32, steps: u32, rowBytes: usize, written: bool): bool {
  const outH = load<i32>(contribution, ContributionWord.OutH * 4)
  const outW = load<i32>(contribution, ContributionWord.OutW * 4)
  const kernelH = load<i32>(contribution, ContributionWord.KernelH * 4)
  const kernelW = load<i32>(contribution, ContributionWord.KernelW * 4)
  const strideH = load<i32>(contribution, ContributionWord.StrideH * 4)
  const strideW = load<i32>(contribution, ContributionWord.StrideW * 4)
  const scale = load<f32>(contribution, ContributionWord.Scale * 4)
  const address = <usize>load<u32>(contribution, ContributionWord.Address * 4)
  const stepBytes = <usize>load<u32>(contribution, ContributionWord.StepBytes * 4)
  const top = <i32>y + load<i32>(contribution, ContributionWord.PadH * 4)
  const left = <i32>x + load<i32>(contribution, ContributionWord.PadW * 4)
  // Windows (oy, ox) with oy·stride ≤ y + pad < oy·stride + kernel.
  const oyBegin = max(0, (top - kernelH + strideH) / strideH)
  const oyEnd = min(outH, top / strideH + 1)
  const oxBegin = max(0, (left - kernelW + strideW) / strideW)
  const oxEnd = min(outW, left / strideW + 1)
  for (let oy = oyBegin; oy < oyEnd; oy++) {
    for (let ox = oxBegin; ox < oxEnd; ox++) {
      const window = <usize>((<i32>image * outH + oy) * outW + ox)
      const g = address + window * load<u32>(contribution, ContributionWord.PixelBytes * 4)
      for (let step: usize = 0; step < <usize>steps; step++) {
        const row = out + step * rowBytes
        const source = g + step * stepBytes
        if (written) neuronRowScaledAdd(row, source, rowBytes, scale)
        else neuronRowScaled(row, source, rowBytes, scale)
      }
      written = true
    }
  }
  return written
}

/** out = scale·g; out may be g. */
export function neuronRowScaled(out: usize, g: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(v128.load(g + i), s))
}

/** out += scale·g. */
export function neuronRowScaledAdd(out: usize, g: usize, bytes: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(v128.load(g + i), s)))
}

/** out = scale·g·factor; out may be g. */
export function neuronRowProduct(out: usize, g: usize, bytes: usize, factor: usize, scale: f32): void {
  const s = f32x4.splat(scale)
  for (let i: usize = 0; i < bytes; i += 16) v128.store(out + i, f32x4.mul(f32x4.mul(v128.load(g + i), s), v128.load(factor + i)))
}
