/** Scaled weight standardisation: the weight as a convolution's kernels read it. */

import { fail } from '../../base/errors.js'
import { weightStandardise, weightStandardiseBackward } from '../../kernels/records/norm.js'
import { type Reference, ref } from '../../kernels/records/words.js'
import type { GraphNode } from '../../network/trace.js'
import type { ByteWeight, Parameter } from '../context.js'
import { type Geometry, kRowsOf, tapsOf, type WeightedLayer } from '../convolution/geometry.js'
import { type Grouping, groupColumns, pack, storedChannels } from '../layout.js'
import type { Pass } from '../pass.js'
import type { ProgramBuilder } from '../program.js'

/** Added to the variance. */
export const EPSILON = 1e-4

/** How the records go through a weight: the units, and the sizes of a block. */
export function standardiseBlocks(
  where: string,
  g: Geometry,
  /** Input channels that hold numbers. */
  realC: number,
) {
  const taps = tapsOf(g)
  const { inC, outC, blockWidth } = g
  const { units, ...sizes } = g.grouping
    ? groupBlocks(where, taps, g.grouping)
    : { units: outC / blockWidth, inC, realC, blockWidth, kRows: kRowsOf(g) }
  return { units, sizes: { taps, ...sizes, epsilon: EPSILON } }
}

/**
 * The standardised copy of the weight. `backward`: turns the copy's gradient into the parameter's,
 * once it is complete.
 */
export function standardisedWeight(
  pass: Pass,
  node: GraphNode,
  layer: WeightedLayer,
  g: Geometry,
): { weight: Reference; backward: () => void } {
  const { b, context } = pass
  const { index, name } = node
  const realC = layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / tapsOf(g)
  const { units, sizes } = standardiseBlocks(`${name} (${node.kind})`, g, realC)
  const shared = {
    weight: context.parameter(index, 'weight') as Reference,
    gain: context.parameter(index, 'gain'),
    ...sizes,
  }
  const bytes = units * sizes.blockWidth * sizes.kRows * 4
  const out = pass.forParameters(`${name} standardised weight`, bytes, 'parameters')
  pass.fromParameters(() => b.emit(weightStandardise, units, { ...shared, out }))
  const backward = (): void =>
    pass.whenComplete(node, () => {
      const gradient = context.gradient(index, 'weight') as Reference
      const gainGradient = context.gradient(index, 'gain')
      b.emit(weightStandardiseBackward, units, { ...shared, gradient, gainGradient })
    })
  return { weight: ref(out), backward }
}

/** A group's weights as a block of output channels; depthwise all channels are one. */
function groupBlocks(where: string, taps: number, grouping: Grouping) {
  const { groups, groupIn, groupOut, depthwise } = grouping
  const shared = { inC: groupIn, realC: groupIn, kRows: taps * groupIn }
  if (depthwise) return { units: 1, blockWidth: storedChannels(groups), ...shared }
  if (groupOut !== groupColumns(groupOut))
    fail(
      `${where}: standardise with groups needs a multiple of 4 output channels ` +
        `in each group, got ${groupOut} (${groups} groups); change outChannels or groups, or ` +
        `leave standardise out`,
    )
  return { units: groups, blockWidth: groupOut, ...shared }
}

// Weights as bytes: symmetric, with one scale for each output channel.

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
