/**
 * The gradient of a tensor: the sum of what its consumers send back, each through a pooling
 * window. One such is a `Contribution`.
 */

import { Contribution } from '../generated/records'

/**
 * out = (Σ contributions at pixels first … end − 1) ⊙ factor.
 *
 * out [end − first][T][C]: written; factor [end − first][C], or 0 for a factor of 1. `out` may be
 * the first contribution's own rows when that contribution is not pooled. Several contributions are
 * added to a run of at most `perRun` pixels before the next run begins, so that the run stays in
 * the first-level cache.
 */
export function gather(
  out: usize,
  factor: usize,
  first: u32,
  end: u32,
  table: usize,
  count: u32,
  height: u32,
  width: u32,
  steps: u32,
  rowBytes: usize,
  perRun: u32,
): void {
  const pixelBytes = <usize>steps * rowBytes
  const last = count - 1
  // With one row per pixel the last contribution multiplies while it is added.
  const fused = steps == 1 && count > 0
  let flat = true
  for (let i: u32 = 0; i < count; i++)
    flat =
      flat &&
      isContiguous(
        changetype<Contribution>(table + <usize>i * offsetof<Contribution>()),
        pixelBytes,
        rowBytes,
      )
  if (flat && count == 2 && fused && factor) {
    addBoth(out, factor, first, end, changetype<Contribution>(table), rowBytes)
    return
  }
  const longest: u32 = count == 1 ? end - first : perRun
  for (let pixel = first; pixel < end; ) {
    // A run is a part of a row of pixels, or of all when nothing is pooled.
    const x = pixel % width
    const pixels = min(flat ? longest : width - x, end - pixel)
    if (count == 0) memory.fill(out, 0, <usize>pixels * pixelBytes)
    for (let i: u32 = 0; i < count; i++) {
      addRun(
        changetype<Contribution>(table + <usize>i * offsetof<Contribution>()),
        out,
        fused && i == last ? factor : 0,
        pixel,
        pixels,
        height,
        width,
        steps,
        rowBytes,
        i > 0,
      )
    }
    if (factor) {
      if (!fused) multiplyRows(out, factor, pixels, steps, rowBytes)
      factor += <usize>pixels * rowBytes
    }
    out += <usize>pixels * pixelBytes
    pixel += pixels
  }
}

/**
 * Do the steps of a pixel follow each other in memory, as they do in `out`? Then one run covers
 * them.
 */
function hasSteps(contribution: Contribution, pixelBytes: usize, rowBytes: usize): bool {
  return (
    contribution.pixelBytes == pixelBytes &&
    (pixelBytes == rowBytes || contribution.stepBytes == rowBytes)
  )
}

/**
 * Do the windows lie side by side from the first pixel on, so that no pixel belongs to two of
 * them?
 */
function isTiled(contribution: Contribution): bool {
  return (
    <u32>contribution.kernelH == <u32>contribution.strideH &&
    <u32>contribution.kernelW == <u32>contribution.strideW &&
    (<u32>contribution.padH | <u32>contribution.padW) == 0
  )
}

/** Has the contribution the same layout as `out`? */
function isContiguous(contribution: Contribution, pixelBytes: usize, rowBytes: usize): bool {
  return (
    isTiled(contribution) &&
    hasSteps(contribution, pixelBytes, rowBytes) &&
    <u32>contribution.kernelH == 1 &&
    <u32>contribution.kernelW == 1
  )
}

/** Is the gradient this contribution as it lies in memory? */
export function isCopy(contribution: Contribution, pixelBytes: usize, rowBytes: usize): bool {
  return isContiguous(contribution, pixelBytes, rowBytes) && contribution.scale == 1
}

/** Adds two contributions that have the layout of `out`, in one pass. */
function addBoth(
  out: usize,
  factor: usize,
  first: u32,
  end: u32,
  table: Contribution,
  rowBytes: usize,
): void {
  const offset = <usize>first * rowBytes
  const other = changetype<Contribution>(changetype<usize>(table) + offsetof<Contribution>())
  const g = table.from + offset
  const h = other.from + offset
  const bytes = <usize>(end - first) * rowBytes
  gradientPair(out, g, h, factor, bytes, table.scale, other.scale)
}

/**
 * out = or += one contribution, then ⊙= factor.
 *
 * out [pixels][T][C]; factor [pixels][C] with T = 1, or 0 for a factor of 1. The pixels lie in one
 * row of the image, or anywhere when nothing is pooled.
 */
function addRun(
  contribution: Contribution,
  out: usize,
  factor: usize,
  pixel: u32,
  pixels: u32,
  height: u32,
  width: u32,
  steps: u32,
  rowBytes: usize,
  add: bool,
): void {
  const pixelBytes = <usize>steps * rowBytes
  const scale = contribution.scale
  const address = contribution.from
  if (isContiguous(contribution, pixelBytes, rowBytes)) {
    addTiles(
      out,
      address + <usize>pixel * pixelBytes,
      factor,
      1,
      <usize>pixels * pixelBytes,
      1,
      0,
      scale,
      add,
    )
    return
  }
  const x = pixel % width
  const y = (pixel / width) % height
  const image = pixel / width / height
  if (!isTiled(contribution) || !hasSteps(contribution, pixelBytes, rowBytes)) {
    if (!add) memory.fill(out, 0, <usize>pixels * pixelBytes)
    for (let i: u32 = 0; i < pixels; i++)
      addWindows(contribution, out + <usize>i * pixelBytes, image, y, x + i, steps, rowBytes)
    if (factor) gradientTimes(out, out, factor, 1, <usize>pixels * rowBytes, 1, 0, 1)
    return
  }
  const kernelW = <u32>contribution.kernelW
  const outH = <u32>contribution.outH
  const outW = <u32>contribution.outW
  const oy = y / <u32>contribution.kernelH
  const ox = x / kernelW
  // Pixels behind the last window get nothing.
  const covered = oy < outH && ox < outW ? min(pixels, outW * kernelW - x) : 0
  if (covered) {
    const g = address + <usize>((image * outH + oy) * outW + ox) * pixelBytes
    addTiles(out, g, factor, covered, pixelBytes, kernelW, x - ox * kernelW, scale, add)
  }
  const rest = <usize>(pixels - covered) * pixelBytes
  out += <usize>covered * pixelBytes
  if (!rest) return
  if (!add) memory.fill(out, 0, rest)
  else if (factor) gradientTimes(out, out, factor + <usize>covered * rowBytes, 1, rest, 1, 0, 1)
}

function addTiles(
  out: usize,
  g: usize,
  factor: usize,
  pixels: u32,
  bytes: usize,
  kernel: u32,
  phase: u32,
  scale: f32,
  add: bool,
): void {
  if (add) {
    if (factor) gradientAddTimes(out, g, factor, pixels, bytes, kernel, phase, scale)
    else gradientAdd(out, g, 0, pixels, bytes, kernel, phase, scale)
  } else {
    if (factor) gradientTimes(out, g, factor, pixels, bytes, kernel, phase, scale)
    else gradientScaled(out, g, 0, pixels, bytes, kernel, phase, scale)
  }
}

/** out [T][C] += one contribution at one pixel. */
function addWindows(
  contribution: Contribution,
  out: usize,
  image: u32,
  y: u32,
  x: u32,
  steps: u32,
  rowBytes: usize,
): void {
  const outH = contribution.outH
  const outW = contribution.outW
  const kernelH = <i32>contribution.kernelH
  const kernelW = <i32>contribution.kernelW
  const strideH = contribution.strideH
  const strideW = contribution.strideW
  const scale = contribution.scale
  const address = contribution.from
  const stepBytes = contribution.stepBytes
  const top = <i32>y + contribution.padH
  const left = <i32>x + contribution.padW
  // Windows (oy, ox) with oy·stride ≤ y + pad < oy·stride + kernel.
  const oyBegin = max(0, (top - kernelH + strideH) / strideH)
  const oyEnd = min(outH, top / strideH + 1)
  const oxBegin = max(0, (left - kernelW + strideW) / strideW)
  const oxEnd = min(outW, left / strideW + 1)
  for (let oy = oyBegin; oy < oyEnd; oy++) {
    for (let ox = oxBegin; ox < oxEnd; ox++) {
      const window = <usize>((<i32>image * outH + oy) * outW + ox)
      const g = address + window * <u32>contribution.pixelBytes
      for (let step: usize = 0; step < <usize>steps; step++)
        gradientAdd(out + step * rowBytes, g + step * stepBytes, 0, 1, rowBytes, 1, 0, scale)
    }
  }
}

/** out [pixels][T][C] ⊙= factor [pixels][C]. */
function multiplyRows(out: usize, factor: usize, pixels: u32, steps: u32, rowBytes: usize): void {
  for (let pixel: u32 = 0; pixel < pixels; pixel++) {
    for (let step: u32 = 0; step < steps; step++) {
      gradientTimes(out, out, factor, 1, rowBytes, 1, 0, 1)
      out += rowBytes
    }
    factor += rowBytes
  }
}

// Leaves. bytes: of a pixel. g moves on by one window behind every `kernel` pixels; the first pixel
// is number `phase` of its window.

/**
 * out = or, with `add`, += scale·g, with `times` then ⊙= factor; out may be g when the kernel is 1.
 */
// @ts-ignore: decorator
@variants('gradientScaled', false, false)
@variants('gradientAdd', true, false)
@variants('gradientTimes', false, true)
@variants('gradientAddTimes', true, true)
export function gradientRun(
  add: bool,
  times: bool,
  out: usize,
  g: usize,
  factor: usize,
  pixels: u32,
  bytes: usize,
  kernel: u32,
  phase: u32,
  scale: f32,
): void {
  const s = f32x4.splat(scale)
  for (; pixels; pixels--) {
    for (let i: usize = 0; i < bytes; i += 16) {
      let sum = f32x4.mul(v128.load(g + i), s)
      if (add) sum = f32x4.add(v128.load(out + i), sum)
      if (times) sum = f32x4.mul(sum, v128.load(factor + i))
      v128.store(out + i, sum)
    }
    out += bytes
    if (times) factor += bytes
    if (++phase == kernel) {
      phase = 0
      g += bytes
    }
  }
}

/** out = (scaleG·g + scaleH·h)·factor; out may be g. */
export function gradientPair(
  out: usize,
  g: usize,
  h: usize,
  factor: usize,
  bytes: usize,
  scaleG: f32,
  scaleH: f32,
): void {
  const a = f32x4.splat(scaleG)
  const b = f32x4.splat(scaleH)
  for (let i: usize = 0; i < bytes; i += 16) {
    const sum = f32x4.add(f32x4.mul(v128.load(g + i), a), f32x4.mul(v128.load(h + i), b))
    v128.store(out + i, f32x4.mul(sum, v128.load(factor + i)))
  }
}
