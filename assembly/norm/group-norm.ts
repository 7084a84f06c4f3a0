/** Normalisation of groups of channels of each image, at each time step (group, layer norm). */

import { addProduct, addToRow, multiplyRow, scaleRow } from '../activity/rows'
import { GroupNormRecord } from '../generated/records'

/**
 * For each row t of an image and each group g of Channels / Groups channels, over its N numbers:
 *
 *   μ = Σ x / N,  σ² = Σ (x − μ)² / N,  x̂ = (x − μ) / √(σ² + ε),  Out = Weight · x̂ + Bias
 *
 * What the record calls an image may be a run of pixels of one, a row.
 * Mean, invStd = μ, 1/√(σ² + ε). Xhat, meanInvStd = the means over time of x̂ and 1/√(σ² + ε), each
 * row with Share (=, += from the second row on, and at t > 0 of an outer loop). Channels behind
 * Channels become Bias there, which is 0. Unit = image. Scratch: 12·C bytes.
 */
export function groupNorm(rec: GroupNormRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.stored
  const row = C << 2
  const T = rec.steps
  const groups = rec.groups
  const pixels = rec.pixels
  const image = <usize>unit
  const pixelBytes = T * row
  const affine = rec.weight != 0
  const perPixel = rec.perPixel != 0
  const xhat = rec.xhat
  const meanInvStd = rec.meanInvStd
  const share = rec.share
  const mean = scratch + row
  const invStd = mean + row
  for (let step: usize = 0; step < T; step++) {
    const at = image * pixels * pixelBytes + step * row
    const input = rec.in + at
    const out = rec.out + at
    memory.fill(scratch, 0, row)
    for (let pixel: usize = 0; pixel < pixels; pixel++)
      addToRow(scratch, input + pixel * pixelBytes, row)
    spreadMeans(rec, mean, scratch)
    memory.fill(scratch, 0, row)
    for (let pixel: usize = 0; pixel < pixels; pixel++)
      addSquares(scratch, input + pixel * pixelBytes, mean, row)
    spreadMeans(rec, invStd, scratch)
    invert(invStd, rec.channels, rec)
    const place = ((image * T + step) * groups) << 2
    keepGroups(rec, rec.mean, place, mean)
    keepGroups(rec, rec.invStd, place, invStd)
    const more = t > 0 || step > 0
    if (meanInvStd) addGroups(rec, meanInvStd + ((image * groups) << 2), invStd, share, more)
    for (let pixel: usize = 0; pixel < pixels; pixel++) {
      const from = input + pixel * pixelBytes
      if (xhat)
        addNormalised(xhat + (image * pixels + pixel) * row, from, mean, invStd, share, more, row)
      const to = out + pixel * pixelBytes
      normalise(to, from, mean, invStd, row)
      if (!affine) continue
      const weight = affineRow(rec, rec.weight, pixel, row)
      const bias = affineRow(rec, rec.bias, pixel, row)
      if (perPixel) {
        const real = rec.channels << 2
        applyNumbers(to, load<f32>(weight), load<f32>(bias), row)
        memory.fill(to + real, 0, row - real)
      } else applyAffine(to, weight, bias, row)
    }
  }
}

/** Where the numbers of a parameter, or of its gradient, are for a pixel. */
// @ts-ignore: decorator
@inline
function affineRow(rec: GroupNormRecord, parameters: usize, pixel: usize, row: usize): usize {
  if (rec.perPixel) return parameters + (pixel << 2)
  return parameters + (rec.affinePixels == 1 ? 0 : pixel * row)
}

/** Out [C] = the mean of each channel's group from sums [C] over pixels; 0 in channels behind. */
function spreadMeans(rec: GroupNormRecord, out: usize, sums: usize): void {
  const channels = <i32>rec.channels
  const groups = <i32>rec.groups
  const each = channels / groups
  const count = <f64>each * <f64>(<i32>rec.pixels)
  memory.fill(out, 0, rec.stored << 2)
  for (let group = 0; group < groups; group++) {
    const at = (<usize>(group * each)) << 2
    fillFloats(out + at, <f32>(sumFloats(sums + at, each) / count), each)
  }
}

/** Σ of floats, in float64. */
export function sumFloats(at: usize, count: i32): f64 {
  let sum: f64 = 0
  for (let i = 0; i < count; i++) sum += <f64>load<f32>(at + ((<usize>i) << 2))
  return sum
}

/** A float += Σ of floats. */
function addSum(out: usize, at: usize, count: i32): void {
  store<f32>(out, <f32>(<f64>load<f32>(out) + sumFloats(at, count)))
}

/** Floats of one value. */
export function fillFloats(at: usize, value: f32, count: i32): void {
  for (let i = 0; i < count; i++) store<f32>(at + ((<usize>i) << 2), value)
}

/** Variances become 1/√(variance + ε). */
function invert(at: usize, channels: usize, rec: GroupNormRecord): void {
  const epsilon = rec.epsilon
  for (let c: usize = 0; c < channels; c++) {
    const variance = load<f32>(at + (c << 2))
    store<f32>(at + (c << 2), <f32>(1 / Math.sqrt(<f64>variance + <f64>epsilon)))
  }
}

/** Keeps one number of each group, if there is a place for it. */
function keepGroups(rec: GroupNormRecord, to: usize, place: usize, channels: usize): void {
  if (!to) return
  const groups = rec.groups
  const each = rec.channels / groups
  for (let group: usize = 0; group < groups; group++)
    store<f32>(to + place + (group << 2), load<f32>(channels + ((group * each) << 2)))
}

/** Adds share · one number of each group. */
function addGroups(rec: GroupNormRecord, to: usize, channels: usize, share: f32, more: bool): void {
  const groups = rec.groups
  const each = rec.channels / groups
  for (let group: usize = 0; group < groups; group++) {
    const value = share * load<f32>(channels + ((group * each) << 2))
    const at = to + (group << 2)
    store<f32>(at, more ? load<f32>(at) + value : value)
  }
}

/** Out += (in − mean)². */
export function addSquares(out: usize, input: usize, mean: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.sub(v128.load(input + i), v128.load(mean + i))
    v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(x, x)))
  }
}

/** Out = (in − mean) · invStd. */
export function normalise(
  out: usize,
  input: usize,
  mean: usize,
  invStd: usize,
  bytes: usize,
): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.sub(v128.load(input + i), v128.load(mean + i))
    v128.store(out + i, f32x4.mul(x, v128.load(invStd + i)))
  }
}

/** Out = (or += with `more`) share · (in − mean) · invStd. */
export function addNormalised(
  out: usize,
  input: usize,
  mean: usize,
  invStd: usize,
  share: f32,
  more: bool,
  bytes: usize,
): void {
  const factor = f32x4.splat(share)
  for (let i: usize = 0; i < bytes; i += 16) {
    const x = f32x4.sub(v128.load(input + i), v128.load(mean + i))
    const y = f32x4.mul(f32x4.mul(x, v128.load(invStd + i)), factor)
    v128.store(out + i, more ? f32x4.add(v128.load(out + i), y) : y)
  }
}

/** Out = weight · out + bias. */
export function applyAffine(out: usize, weight: usize, bias: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(
      out + i,
      f32x4.add(f32x4.mul(v128.load(out + i), v128.load(weight + i)), v128.load(bias + i)),
    )
}

/** Out = weight · out + bias, of two numbers. */
export function applyNumbers(out: usize, weight: f32, bias: f32, bytes: usize): void {
  const factor = f32x4.splat(weight)
  const more = f32x4.splat(bias)
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.add(f32x4.mul(v128.load(out + i), factor), more))
}

/**
 * Gradients, with δ' = Delta · Weight, means over the N numbers of each row t and group, and x̂ of
 * In, Mean and invStd, or Xhat with meanInvStd for 1/σ:
 *
 *   Out = 1/σ · (δ' − mean δ' − x̂ · mean (δ' · x̂))
 *   weightPartial = Σ Delta · x̂,  biasPartial = Σ Delta, over the rows of the image
 *
 * Channels behind Channels become 0. Out may be Delta. Unit = image. Scratch: 24·C bytes.
 */
export function groupNormBackward(rec: GroupNormRecord, unit: i32, t: i32, scratch: usize): void {
  const C = rec.stored
  const row = C << 2
  const T = rec.steps
  const groups = rec.groups
  const pixels = rec.pixels
  const image = <usize>unit
  const pixelBytes = T * row
  const given = rec.xhat
  const affine = rec.weight != 0
  const mean = scratch
  const invStd = scratch + row
  const xhat = scratch + 2 * row
  const scaled = scratch + 3 * row
  const sums = scratch + 4 * row
  const products = scratch + 5 * row
  const affineBytes = <usize>rec.affinePixels * (rec.perPixel ? 4 : row)
  const weightPartial = rec.weightPartial
  const biasPartial = rec.biasPartial
  if (weightPartial) {
    memory.fill(weightPartial + image * affineBytes, 0, affineBytes)
    memory.fill(biasPartial + image * affineBytes, 0, affineBytes)
  }
  for (let step: usize = 0; step < T; step++) {
    const at = image * pixels * pixelBytes + step * row
    const delta = rec.delta + at
    const place = ((image * T + step) * groups) << 2
    if (given) spreadGroups(rec, invStd, rec.meanInvStd + ((image * groups) << 2))
    else {
      spreadGroups(rec, mean, rec.mean + place)
      spreadGroups(rec, invStd, rec.invStd + place)
    }
    memory.fill(sums, 0, 2 * row)
    for (let pixel: usize = 0; pixel < pixels; pixel++) {
      const d = delta + pixel * pixelBytes
      const x = xhatRow(rec, image, pixel, step, xhat, mean, invStd)
      if (weightPartial) addAffine(rec, image * affineBytes, pixel, d, x, scaled, row)
      const e = affine ? weighted(rec, scaled, d, pixel, row) : d
      addToRow(sums, e, row)
      addProduct(products, e, x, row)
    }
    // What was summed is no longer wanted: means take the places of x̂'s and δ's rows in turn.
    spreadMeans(rec, scaled, sums)
    memory.copy(sums, scaled, row)
    spreadMeans(rec, scaled, products)
    memory.copy(products, scaled, row)
    for (let pixel: usize = 0; pixel < pixels; pixel++) {
      const d = delta + pixel * pixelBytes
      const x = xhatRow(rec, image, pixel, step, xhat, mean, invStd)
      const e = affine ? weighted(rec, scaled, d, pixel, row) : d
      backRow(rec.out + at + pixel * pixelBytes, e, x, sums, products, invStd, row)
    }
  }
}

/** weightPartial += δ · x̂ and biasPartial += δ, of one pixel; `at`: where the image's are. */
// @ts-ignore: decorator
@inline
function addAffine(
  rec: GroupNormRecord,
  at: usize,
  pixel: usize,
  d: usize,
  x: usize,
  scaled: usize,
  row: usize,
): void {
  const toWeight = affineRow(rec, rec.weightPartial, pixel, row) + at
  const toBias = affineRow(rec, rec.biasPartial, pixel, row) + at
  if (rec.perPixel) {
    multiplyRow(scaled, d, x, row)
    addSum(toWeight, scaled, <i32>rec.channels)
    addSum(toBias, d, <i32>rec.channels)
  } else {
    addProduct(toWeight, d, x, row)
    addToRow(toBias, d, row)
  }
}

/** Delta times Weight. */
function weighted(rec: GroupNormRecord, out: usize, delta: usize, pixel: usize, row: usize): usize {
  if (rec.perPixel) {
    memory.copy(out, delta, row)
    scaleRow(out, load<f32>(affineRow(rec, rec.weight, pixel, row)), row)
  } else multiplyRow(out, delta, affineRow(rec, rec.weight, pixel, row), row)
  return out
}

/** x̂ of a pixel: where it is kept, or computed once more into `out`. */
function xhatRow(
  rec: GroupNormRecord,
  image: usize,
  pixel: usize,
  step: usize,
  out: usize,
  mean: usize,
  invStd: usize,
): usize {
  const row = rec.stored << 2
  const at = image * rec.pixels + pixel
  const given = rec.xhat
  if (given) return given + at * row
  const input = rec.in + (at * rec.steps + step) * row
  normalise(out, input, mean, invStd, row)
  return out
}

/** Out [C] = the number of each channel's group; 0 in channels behind. */
function spreadGroups(rec: GroupNormRecord, out: usize, from: usize): void {
  const groups = <i32>rec.groups
  const each = <i32>rec.channels / groups
  memory.fill(out, 0, rec.stored << 2)
  for (let group = 0; group < groups; group++)
    fillFloats(out + ((<usize>(group * each)) << 2), load<f32>(from + ((<usize>group) << 2)), each)
}

/** Out = invStd · (delta − means − xhat · products). */
export function backRow(
  out: usize,
  delta: usize,
  xhat: usize,
  means: usize,
  products: usize,
  invStd: usize,
  bytes: usize,
): void {
  for (let i: usize = 0; i < bytes; i += 16) {
    const centred = f32x4.sub(v128.load(delta + i), v128.load(means + i))
    const along = f32x4.mul(v128.load(xhat + i), v128.load(products + i))
    v128.store(out + i, f32x4.mul(f32x4.sub(centred, along), v128.load(invStd + i)))
  }
}
