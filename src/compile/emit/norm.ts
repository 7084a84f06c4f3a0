/** Records of BatchNorm: statistics of rows, and gradients. */

import { Moments, NormSize } from '../../../assembly/opcodes.js'
import { fail } from '../../base/errors.js'
import { roundUp } from '../../base/numbers.js'
import * as records from '../../kernels/records/norm.js'
import { weightStandardise, weightStandardiseBackward } from '../../kernels/records/norm.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { scaled } from '../../kernels/records/signals.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import type { GraphNode } from '../../network/trace.js'
import { budgets, inUnits } from '../budgets.js'
import type { ByteWeight, Parameter } from '../context.js'
import { type Geometry, kRowsOf, tapsOf, type WeightedLayer } from '../convolution/geometry.js'
import { type Grouping, groupColumns, pack, storedChannels } from '../layout.js'
import type { Pass } from '../pass.js'
import type { ProgramBuilder } from '../program.js'
import type { Shape, StoredImages, UnitSums } from '../tensors.js'

/** Rows of one unit of the normalisation kernels, a multiple of the groups. */
export function normRows(rows: number, stored: number, groups: number): number {
  const wanted = Math.max(groups, Math.min(rows, Math.ceil(budgets.normFloats / stored)))
  return roundUp(wanted, groups)
}

/** Rows [rows][channels], of which each of the groups has statistics of its own. */
interface Rows {
  readonly rows: number
  /** As stored. */
  readonly channels: number
  readonly groups: number
}

/** Partial sums of rows, [units][groups][4][channels], where their kernel has not written them. */
export function emitNormStatistics(
  b: ProgramBuilder,
  name: string,
  { rows, channels, groups }: Rows,
  input: Buffer,
): UnitSums {
  const rowsPerUnit = normRows(rows, channels, groups)
  const units = Math.ceil(rows / rowsPerUnit)
  const partial = b.buffer(`${name} partial sums`, units * groups * Moments.Rows * channels * 4)
  const fields = { channels, groups, rows, rowsPerUnit, in: input, partial }
  b.emit(records.normStatistics, units, fields)
  return { buffer: partial, units }
}

/** Statistics and the affine map from partial sums; running statistics move. */
export function emitNormFinish(
  b: ProgramBuilder,
  fields: FieldsOf<typeof records.normFinish>,
): void {
  b.emit(records.normFinish, Math.ceil(fields.channels / NormSize.FinishChannels), fields)
}

/**
 * All-time normalisation: how often a step's deviation may go into the running one, or that into
 * it; beyond that the channel is normalised by the step's own statistics. Larger for frames of
 * events, as in the authors' code.
 */
export const allTimeBound = (frames: boolean): number => (frames ? 50 : 20)

type Reduce = FieldsOf<typeof records.normBackwardReduce>
type Finish = FieldsOf<typeof records.normBackwardFinish>

/** A BatchNorm's way back. */
export interface NormBackward
  extends Pick<Reduce, 'channels' | 'groups' | 'rows' | 'xhat' | 'in' | 'mean' | 'delta'>,
    Omit<Finish, 'units' | 'partial' | 'coefficients'> {
  readonly name: string
  /** Gradient of the input; may be `delta`. */
  readonly out: Buffer
  /**
   * Emits what goes through the rows, for all of them or for parts.
   *
   * @param emit is told the rows of a part, and its first unit
   */
  inParts(rowsPerUnit: number, emit: (rows: number, firstUnit: number) => void): void
}

export function emitNormBackward(b: ProgramBuilder, job: NormBackward): void {
  const { name, rows, channels, groups, delta, out, weight, meanInvStd, inParts } = job
  const { used, weightGradient, biasGradient, accumulate } = job
  const shape = { channels, groups }
  const rowsPerUnit = normRows(rows, channels, groups)
  const units = Math.ceil(rows / rowsPerUnit)
  // Time means read x̂ alone: the currents need not be kept.
  const normalised = job.xhat
    ? { xhat: job.xhat }
    : { in: job.in, mean: job.mean, invStd: job.invStd }
  const chunksOf = (rows: number) => ({ ...shape, ...normalised, rows, rowsPerUnit, delta })
  const partialBytes = groups * NormSize.ProductRows * channels * 4
  const partial = b.buffer(`${name} partial sums`, units * partialBytes)
  const coefficientBytes = groups * NormSize.CoefficientRows * channels * 4
  const coefficients = b.buffer(`${name} coefficients`, coefficientBytes)
  inParts(rowsPerUnit, (rows, firstUnit) =>
    b.emit(records.normBackwardReduce, Math.ceil(rows / rowsPerUnit), {
      ...chunksOf(rows),
      partial: ref(partial, firstUnit * partialBytes),
    }),
  )
  const invStd = meanInvStd || used ? undefined : job.invStd
  const read = { partial, weight, invStd, meanInvStd, used, mean: used && job.mean }
  const gradients = { coefficients, weightGradient, biasGradient, accumulate }
  b.emit(records.normBackwardFinish, 1, { ...shape, rows, units, ...read, ...gradients })
  inParts(rowsPerUnit, (rows) => {
    const fields = { ...chunksOf(rows), coefficients, out }
    b.emit(records.normBackwardApply, Math.ceil(rows / rowsPerUnit), fields)
  })
}

// The record of a multiplication by constants of channels or neurons.

/**
 * Constants as the kernel reads them, [pixels][stored], and how many pixels have constants of their
 * own: 1, or those of an image.
 *
 * @param list one for each channel, or one for each neuron in the order [C][H][W]
 * @param stored channels as stored; those behind are multiplied by 0
 */
export function factorsOf(list: readonly number[], [c, h, w]: Shape, stored: number) {
  const factorPixels = list.length === c ? 1 : h * w
  const values = new Float32Array(factorPixels * stored)
  for (let channel = 0; channel < c; channel++)
    for (let pixel = 0; pixel < factorPixels; pixel++)
      values[pixel * stored + channel] = list[channel * factorPixels + pixel]
  return { factor: new Uint8Array(values.buffer), factorPixels }
}

type Scaled = Pick<FieldsOf<typeof scaled>, 'in' | 'out' | 'steps'>

export function emitScaled(
  b: ProgramBuilder,
  { images, shape, stored: channels, ...job }: StoredImages & ReturnType<typeof factorsOf> & Scaled,
): void {
  const pixels = images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, channels * job.steps)
  b.emit(scaled, units, { ...job, pixels, channels, pixelsPerUnit })
}

// Scaled weight standardisation: the weight as a convolution's kernels read it.

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
      const gradient = pass.gradient(index, 'weight') as Reference
      const gainGradient = pass.gradient(index, 'gain')
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

// Weights that are bytes in memory: symmetric, with one scale for each output channel.

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
