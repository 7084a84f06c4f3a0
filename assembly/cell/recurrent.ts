/** Recurrent cells: what a layer's spikes of the step before add to its input. */

import { addProduct, addScaledRow, addToRow } from '../activity/rows'
import { address, word } from '../base/record'
import { CellRecurrentWord, CellWord } from '../opcodes'

/** Σ a·b over so many bytes of floats, a multiple of 16. */
export function cellDot(a: usize, b: usize, bytes: usize): f32 {
  let sum = f32x4.splat(0)
  for (let i: usize = 0; i < bytes; i += 16)
    sum = f32x4.add(sum, f32x4.mul(v128.load(a + i), v128.load(b + i)))
  return (
    f32x4.extract_lane(sum, 0) +
    f32x4.extract_lane(sum, 1) +
    (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3))
  )
}

/**
 * inputs [pixels][C] of an image at one step = its input + bias + the weights of the neurons that
 * fired one step before. spikes: their row of the first pixel, stateBytes from pixel to pixel.
 */
export function recurrentInput(
  rec: usize,
  first: u32,
  pixels: u32,
  step: u32,
  spikes: usize,
  stateBytes: usize,
  inputs: usize,
): void {
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  const imageBytes = <usize>pixels * rowBytes
  const source =
    <usize>load<u32>(rec, CellWord.In * 4) + <usize>step * load<u32>(rec, CellWord.InStepBytes * 4)
  const pixelBytes = <usize>load<u32>(rec, CellWord.InPixelBytes * 4)
  for (let p: u32 = 0; p < pixels; p++)
    memory.copy(inputs + <usize>p * rowBytes, source + <usize>(first + p) * pixelBytes, rowBytes)
  const bias = <usize>load<u32>(rec, CellWord.Bias * 4)
  if (bias) addToRow(inputs, bias, imageBytes)
  let weight = <usize>load<u32>(rec, CellWord.Weight * 4)
  if (load<u32>(rec, CellWord.OneToOne * 4)) {
    for (let p: usize = 0; p < <usize>pixels; p++)
      addProduct(inputs + p * rowBytes, weight + p * rowBytes, spikes + p * stateBytes, rowBytes)
    return
  }
  for (let p: u32 = 0; p < pixels; p++) {
    const row = spikes + <usize>p * stateBytes
    for (let c: usize = 0; c < rowBytes; c += 4) {
      if (load<f32>(row + c) != 0) addToRow(inputs, weight, imageBytes)
      weight += imageBytes
    }
  }
}

/**
 * delta [pixels][T][C] at a step += the weights times the gradient of the inputs one step later.
 */
export function recurrentBack(rec: usize, delta: usize, pixels: u32, step: u32): void {
  const rowBytes = (<usize>load<u32>(rec, CellWord.C * 4)) << 2
  const pixelBytes = <usize>load<u32>(rec, CellWord.T * 4) * rowBytes
  const later = delta + <usize>(step + 1) * rowBytes
  let weight = <usize>load<u32>(rec, CellWord.Weight * 4)
  if (load<u32>(rec, CellWord.OneToOne * 4)) {
    for (let p: usize = 0; p < <usize>pixels; p++) {
      const row = delta + p * pixelBytes + <usize>step * rowBytes
      addProduct(row, weight + p * rowBytes, later + p * pixelBytes, rowBytes)
    }
    return
  }
  for (let p: u32 = 0; p < pixels; p++) {
    const row = delta + <usize>p * pixelBytes + <usize>step * rowBytes
    for (let c: usize = 0; c < rowBytes; c += 4) {
      let sum: f32 = 0
      for (let q: u32 = 0; q < pixels; q++) {
        sum += cellDot(weight, later + <usize>q * pixelBytes, rowBytes)
        weight += rowBytes
      }
      store<f32>(row + c, load<f32>(row + c) + sum)
    }
  }
}

/**
 * Out [N][N] = Σ over images and steps of In ⊗ Delta, BiasOut [N] = Σ Delta; += with Accumulate.
 * With OneToOne Out [N] = Σ In · Delta. Unit = four neurons of In; the last one is that of the bias
 * where there is one. Scratch: none.
 */
export function cellRecurrentGradient(rec: usize, unit: i32, t: i32, scratch: usize): void {
  const rowBytes = address(rec, CellRecurrentWord.C) << 2
  const pixels = word(rec, CellRecurrentWord.Pixels)
  const imageBytes = <usize>pixels * rowBytes
  const steps = word(rec, CellRecurrentWord.T)
  const rows = word(rec, CellRecurrentWord.Images) * steps
  const add = word(rec, CellRecurrentWord.Accumulate) != 0
  const delta = address(rec, CellRecurrentWord.Delta)
  const first = (<usize>unit) << 4
  if (first == imageBytes) {
    const out = address(rec, CellRecurrentWord.BiasOut)
    if (!add) memory.fill(out, 0, imageBytes)
    for (let row = 0; row < rows; row++) addImage(out, delta, row, steps, pixels, rowBytes, 1)
    return
  }
  const pixel = first / rowBytes
  if (word(rec, CellRecurrentWord.OneToOne)) {
    const own = address(rec, CellRecurrentWord.Out) + first
    if (!add) memory.fill(own, 0, 16)
    for (let row = 0; row < rows; row++) {
      const image = row / steps
      const at = (<usize>(image * pixels) + pixel) * <usize>steps + <usize>(row - image * steps)
      const place = at * rowBytes + (first % rowBytes)
      addProduct(own, address(rec, CellRecurrentWord.In) + place, delta + place, 16)
    }
    return
  }
  const out = address(rec, CellRecurrentWord.Out) + (first >> 2) * imageBytes
  if (!add) memory.fill(out, 0, imageBytes << 2)
  for (let row = 0; row < rows; row++) {
    const image = row / steps
    const at = (<usize>(image * pixels) + pixel) * <usize>steps + <usize>(row - image * steps)
    const x = address(rec, CellRecurrentWord.In) + at * rowBytes + (first % rowBytes)
    for (let i: usize = 0; i < 4; i++) {
      const s = load<f32>(x + (i << 2))
      if (s != 0) addImage(out + i * imageBytes, delta, row, steps, pixels, rowBytes, s)
    }
  }
}

/** out [pixels][C] += factor · delta of one image at one step. */
function addImage(
  out: usize,
  delta: usize,
  row: i32,
  steps: i32,
  pixels: i32,
  rowBytes: usize,
  factor: f32,
): void {
  const image = row / steps
  const pixelBytes = <usize>steps * rowBytes
  let from = delta + <usize>(image * pixels) * pixelBytes + <usize>(row - image * steps) * rowBytes
  for (let p = 0; p < pixels; p++) {
    addScaledRow(out, from, factor, rowBytes)
    out += rowBytes
    from += pixelBytes
  }
}
