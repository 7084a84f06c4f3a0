/** Recurrent neurons: what a layer's spikes of the step before add to its input. */

import { addProduct, addScaledRow, addToRow, dot } from '../activity/rows'
import { NeuronRecord, RecurrentGradientRecord } from '../generated/records'

/**
 * inputs [pixels][C] of an image += bias + the weights of the neurons that fired one step before:
 * spikes [pixels][C], 0 or 1.
 */
export function recurrentInput(rec: NeuronRecord, pixels: u32, spikes: usize, inputs: usize): void {
  const rowBytes = rec.channels << 2
  const imageBytes = <usize>pixels * rowBytes
  const bias = rec.bias
  if (bias) addToRow(inputs, bias, imageBytes)
  let weight = rec.weight
  if (rec.oneToOne) {
    addProduct(inputs, weight, spikes, imageBytes)
    return
  }
  for (let neuron: usize = 0; neuron < imageBytes; neuron += 4) {
    if (load<f32>(spikes + neuron) != 0) addToRow(inputs, weight, imageBytes)
    weight += imageBytes
  }
}

/**
 * delta [pixels][T][C] at a step += the weights times the gradient of the inputs one step later.
 */
export function recurrentBack(rec: NeuronRecord, delta: usize, pixels: u32, step: u32): void {
  const rowBytes = rec.channels << 2
  const pixelBytes = <usize>rec.steps * rowBytes
  const later = delta + <usize>(step + 1) * rowBytes
  let weight = rec.weight
  const oneToOne = rec.oneToOne != 0
  for (let p: u32 = 0; p < pixels; p++) {
    const row = delta + <usize>p * pixelBytes + <usize>step * rowBytes
    if (oneToOne) {
      addProduct(row, weight, later + <usize>p * pixelBytes, rowBytes)
      weight += rowBytes
      continue
    }
    for (let c: usize = 0; c < rowBytes; c += 4) {
      let sum: f32 = 0
      for (let q: u32 = 0; q < pixels; q++) {
        sum += dot(weight, later + <usize>q * pixelBytes, rowBytes)
        weight += rowBytes
      }
      store<f32>(row + c, load<f32>(row + c) + sum)
    }
  }
}

/**
 * Out [N][N] = Σ over images and steps of In ⊗ Delta, biasOut [N] = Σ Delta; += with Accumulate.
 * With oneToOne Out [N] = Σ In · Delta. Unit = four neurons of In; the last one is that of the bias
 * where there is one. Scratch: none.
 */
export function recurrentGradient(
  rec: RecurrentGradientRecord,
  unit: i32,
  t: i32,
  scratch: usize,
): void {
  const rowBytes = rec.channels << 2
  const pixels = rec.pixels
  const imageBytes = <usize>pixels * rowBytes
  const steps = rec.steps
  const rows = rec.images * steps
  const add = rec.accumulate != 0
  const delta = rec.delta
  const first = (<usize>unit) << 4
  if (first == imageBytes) {
    const out = rec.biasOut
    if (!add) memory.fill(out, 0, imageBytes)
    for (let row = 0; row < rows; row++) addImage(out, delta, row, steps, pixels, rowBytes, 1)
    return
  }
  const pixel = first / rowBytes
  if (rec.oneToOne) {
    const own = rec.out + first
    if (!add) memory.fill(own, 0, 16)
    for (let row = 0; row < rows; row++) {
      const image = row / steps
      const at = (<usize>(image * pixels) + pixel) * <usize>steps + <usize>(row - image * steps)
      const place = at * rowBytes + (first % rowBytes)
      addProduct(own, rec.in + place, delta + place, 16)
    }
    return
  }
  const out = rec.out + (first >> 2) * imageBytes
  if (!add) memory.fill(out, 0, imageBytes << 2)
  for (let row = 0; row < rows; row++) {
    const image = row / steps
    const at = (<usize>(image * pixels) + pixel) * <usize>steps + <usize>(row - image * steps)
    const x = rec.in + at * rowBytes + (first % rowBytes)
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
