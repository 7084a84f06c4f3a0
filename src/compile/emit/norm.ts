/** Records of BatchNorm: statistics of rows, and gradients. */

import { Moments, NormSize } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import * as records from '../../kernels/records/norm.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { scaled } from '../../kernels/records/signals.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import { budgets, inUnits } from '../budgets.js'
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
