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
import { type Geometry, kRowsOf, tapsOf, type WeightedLayer } from '../convolution/geometry.js'
import { type Grouping, groupColumns, storedChannels } from '../layout.js'
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

/** What the records of a layer's weight standardisation share. */
function standardisation(pass: Pass, node: GraphNode, layer: WeightedLayer, g: Geometry) {
  const { context } = pass
  const { index, name } = node
  const realC = layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / tapsOf(g)
  const { units, sizes } = standardiseBlocks(`${name} (${node.kind})`, g, realC)
  const weight = context.parameter(index, 'weight') as Reference
  return { units, shared: { weight, gain: context.parameter(index, 'gain'), ...sizes } }
}

/** The standardised copy of the weight. */
export function standardisedWeight(
  pass: Pass,
  node: GraphNode,
  layer: WeightedLayer,
  g: Geometry,
): Reference {
  const { units, shared } = standardisation(pass, node, layer, g)
  const bytes = units * shared.blockWidth * shared.kRows * 4
  const out = pass.forParameters(`${node.name} standardised weight`, bytes, 'parameters')
  pass.fromParameters(() => pass.b.emit(weightStandardise, units, { ...shared, out }))
  return ref(out)
}

/** Turns the gradient of the standardised weight into the parameter's, once it is complete. */
export function standardiseGradient(
  pass: Pass,
  node: GraphNode,
  layer: WeightedLayer,
  g: Geometry,
): void {
  const { units, shared } = standardisation(pass, node, layer, g)
  pass.whenComplete(node, () => {
    const gradient = pass.gradient(node.index, 'weight') as Reference
    const gainGradient = pass.gradient(node.index, 'gain')
    pass.b.emit(weightStandardiseBackward, units, { ...shared, gradient, gainGradient })
  })
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
