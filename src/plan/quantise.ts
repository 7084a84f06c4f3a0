/** Weights as bytes: symmetric, with one scale for each output channel. */

import type { ByteWeight, Parameter } from './context.js'
import { pack, storedChannels } from './layout.js'
import type { ProgramBuilder } from './program.js'
import { EPSILON } from './standardise.js'

// Weights that are bytes in memory: where they lie, and how they are filled.

/** Makes the buffers of weights among parameters that are no floats in memory. */
export function byteWeights(
  b: ProgramBuilder,
  parameters: readonly Omit<Parameter, 'offset'>[],
): ByteWeight[] {
  const weights = parameters.filter(({ role }) => role === 'weight')
  return weights.map(({ name, layout, node }) => ({
    name,
    layout,
    node,
    weight: b.buffer(`${name} bytes`, layout.stored, 'parameters'),
    scale: b.buffer(`${name} scale`, storedChannels(layout.shape[0]) * 4, 'parameters'),
    gain: parameters.find((p) => p.node === node && p.role === 'gain')?.name,
  }))
}

/** Writes a quantised weight into a memory that is zero there. */
export function putByteWeight(
  memory: ArrayBufferLike,
  { layout, weight, scale }: ByteWeight,
  { values, scales }: ReturnType<typeof quantise>,
): void {
  pack(layout, values, new Int8Array(memory, weight.address, layout.stored))
  new Float32Array(memory, scale.address, scales.length).set(scales)
}

/** The largest byte. −128 is not used, so that w and −w have bytes ±q. */
const MOST = 127

/** The scale of a channel whose largest |w| this is: most / 127, rounded to float32. */
export const scaleOf = (most: number): number => Math.fround(most / MOST)

/**
 * w / scale in float64, rounded to the nearest integer, halves away from zero, and clamped to
 * −127 … 127; 0 where the scale is 0.
 */
export function byteOf(w: number, scale: number): number {
  if (scale === 0) return 0
  const size = Math.min(MOST, Math.round(Math.abs(w) / scale))
  return w < 0 ? -size : size
}

/**
 * A weight [out, …] as bytes in PyTorch's order, and the scale of each output channel, by which
 * they are multiplied: see `scaleOf` and `byteOf`.
 *
 * @param weight finite numbers in PyTorch's order
 */
export function quantise(weight: Float32Array, out: number) {
  const fanIn = weight.length / out
  const values = new Int8Array(weight.length)
  const scales = new Float32Array(out)
  for (let n = 0; n < out; n++) {
    const channel = weight.subarray(n * fanIn, (n + 1) * fanIn)
    const scale = scaleOf(channel.reduce((most, w) => Math.max(most, Math.abs(w)), 0))
    scales[n] = scale
    for (const [i, w] of channel.entries()) values[n * fanIn + i] = byteOf(w, scale)
  }
  return { values, scales }
}

/** The floats that a quantised weight stands for: values · scales, rounded to float32. */
export function dequantise({ values, scales }: ReturnType<typeof quantise>): Float32Array {
  const fanIn = values.length / scales.length
  return Float32Array.from(values, (q, i) => q * scales[Math.floor(i / fanIn)])
}

/**
 * A weight [out, …] after weight standardisation (`WeightStandardise` in the engine), in PyTorch's
 * order: gain · (w − μ) / √(F·var + ε), with the mean and the unbiased variance of a channel's F
 * elements.
 *
 * @param gain one number for each output channel
 */
export function standardised(weight: Float32Array, gain: ArrayLike<number>): Float32Array {
  const fanIn = weight.length / gain.length
  const result = new Float32Array(weight.length)
  for (let n = 0; n < gain.length; n++) {
    const channel = weight.subarray(n * fanIn, (n + 1) * fanIn)
    const mean = channel.reduce((sum, w) => sum + w, 0) / fanIn
    const squares = channel.reduce((sum, w) => sum + (w - mean) ** 2, 0)
    const factor = gain[n] / Math.sqrt((fanIn * squares) / (fanIn - 1) + EPSILON)
    for (const [i, w] of channel.entries()) result[n * fanIn + i] = factor * (w - mean)
  }
  return result
}
