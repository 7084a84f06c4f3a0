/** Forward on floats: by gathered rows, or by copied planes where there are few input channels. */

import { Dense } from '../../../assembly/opcodes.js'
import { roundUp } from '../../base/numbers.js'
import * as records from '../../kernels/records/dense.js'
import type { Buffer, Reference } from '../../kernels/records/words.js'
import { budgets } from '../budgets.js'
import { type emitFloatSum, emitPartialSum } from '../emit/sums.js'
import type { ProgramBuilder } from '../program.js'
import { type DenseInput, indirectWord } from '../tensors.js'
import {
  emitSized,
  flat,
  type Geometry,
  kRowsOf,
  narrowForwardPays,
  narrowGradientPays,
  narrowPlan,
  pixelsOf,
  tapsOf,
} from './geometry.js'
import {
  type DenseForward,
  denseCycles,
  type InputGradient,
  type Strategy,
  type WeightGradient,
} from './strategy.js'

/** Rows of one unit: equal units, as far as the five rows of a tile allow. */
export const denseRows = (rows: number): number =>
  roundUp(Math.ceil(rows / Math.ceil(rows / budgets.denseRows)), Dense.TileRows)

/** How a record says where its input is. */
export const inputFields = (input: DenseInput) => ({
  in: input.address,
  inIndirect: indirectWord(input),
  inPixelBytes: input.pixelBytes,
  inStepBytes: input.stepBytes,
  inLoopBytes: input.loopBytes,
})

/**
 * A job on an input as the kernels see it best: a linear layer as one over features. The rows of a
 * dense input lie one step behind the other in each pixel, unless there is one step.
 */
export function asFeatures<J extends { g: Geometry; steps: number; input: DenseInput }>(job: J): J {
  const { steps, input } = job
  const g = flat(job.g, steps, input.pixelBytes)
  const pixelBytes = input.pixelBytes * (tapsOf(job.g) / tapsOf(g))
  return { ...job, g, input: { ...input, pixelBytes } }
}

/** Where it fits it is faster than `direct`, whose time its cost says: it stands before it. */
const narrow: Strategy<DenseForward> = {
  name: 'narrow',
  fits: ({ g }) => narrowForwardPays(g),
  cost: ({ g, steps }) => denseCycles(g, steps),
  emit(b, job) {
    const { forward, blocks } = narrowPlan(job.g, job.steps)
    emitSized(b, job, records.convNarrow, blocks, { ...inputFields(job.input), ...forward })
  },
}

const direct: Strategy<DenseForward> = {
  name: 'direct',
  fits: () => true,
  cost: ({ g, steps }) => denseCycles(g, steps),
  emit(b, given) {
    const job = asFeatures(given)
    const { g, steps } = job
    const rows = pixelsOf(g) * steps
    const rowsPerUnit = denseRows(rows)
    const fields = { ...inputFields(job.input), rowsPerUnit }
    emitSized(b, job, records.convDense, Math.ceil(rows / rowsPerUnit), fields)
  },
}

export const denseForward = [narrow, direct] as const

/**
 * Sizes of the stride classes of one axis, and how many there are of each: the first size % stride
 * classes have one pixel more.
 */
function classSizes(size: number, stride: number) {
  const pixels = Math.floor(size / stride)
  const longer = { pixels: pixels + 1, count: size % stride }
  return [longer, { pixels, count: stride - longer.count }]
}

/** Units of all stride classes, each of which has its own. */
function unitsOf(g: Geometry, steps: number, rowsPerUnit: number): number {
  let units = 0
  for (const rows of classSizes(g.inH, g.strideH))
    for (const columns of classSizes(g.inW, g.strideW)) {
      const pixels = g.images * steps * rows.pixels * columns.pixels
      units += rows.count * columns.count * Math.ceil(pixels / rowsPerUnit)
    }
  return units
}

/** Rows (pixel, step) of the input in the first class, the largest. */
const mostRows = (g: Geometry, steps: number): number =>
  g.images * steps * Math.ceil(g.inH / g.strideH) * Math.ceil(g.inW / g.strideW)

export const directInputGradient: Strategy<InputGradient> = {
  name: 'direct',
  fits: () => true,
  cost: () => 1,
  emit(b, given) {
    const { name, steps } = given
    // A bias has a number for each channel, not for each pixel.
    const g = given.bias ? given.g : flat(given.g, steps)
    const job = { ...given, g }
    const channels = roundUp(g.inC, Dense.TransposedChannels)
    const transposed = b.buffer(`${name} transposed weight`, channels * tapsOf(g) * g.outC * 4)
    const blocks = channels / Dense.TransposedChannels
    emitSized(b, job, records.transposeWeight, blocks, { transposed })
    const rowsPerUnit = denseRows(mostRows(g, steps))
    const fields = { delta: job.delta, transposed, rowsPerUnit }
    emitSized(b, job, records.convInputGradient, unitsOf(g, steps, rowsPerUnit), fields)
  },
}

// Gradient of the weight by dense products, and of the bias. Costs of a weight's gradient are in
// the time that lists take when all neurons fire.

/** As long as lists of half of the neurons take. */
const DIRECT_COST = 0.5

const mostSplits = ({ g, steps }: WeightGradient): number =>
  Math.floor((pixelsOf(g) * steps) / budgets.rowsPerSplit)

/** At most `most` parts of so many blocks, all of which have some. */
const evenSplits = (blocks: number, most: number): number =>
  Math.ceil(blocks / Math.ceil(blocks / most))

/** Where products of a weight's gradient go: to `out`, or to partial sums of splits. */
export type Parts = ReturnType<typeof inputFields> & {
  readonly splits: number
  readonly scale: number
  readonly partial?: Buffer
  readonly out?: undefined
  readonly accumulate?: boolean
}

/** Emits products into `out`, or by splits into as many floats of partial sums, and their sum. */
export function inSplits(
  b: ProgramBuilder,
  { name, input, out, accumulate }: WeightGradient,
  splits: number,
  floats: number,
  products: (parts: Parts) => void,
  sum: (parts: Parameters<typeof emitFloatSum>[2]) => void,
): void {
  const parts = { ...inputFields(input), accumulate, splits, scale: input.scale ?? 1 }
  if (splits === 1) {
    products(parts)
    return
  }
  const partial = b.buffer(`${name} partial sums`, splits * floats * 4)
  products({ ...parts, partial, out: undefined, accumulate: undefined })
  sum({ partial, splits, out, accumulate })
}

const inRows = (
  b: ProgramBuilder,
  job: WeightGradient,
  splits: number,
  products: (parts: Parts) => void,
): void => {
  const { outC } = job.g
  const kRows = kRowsOf(job.g)
  inSplits(b, job, splits, kRows * outC, products, (parts) =>
    emitPartialSum(b, kRows, { outC, ...parts }),
  )
}

/** Where it fits it is faster than `direct`, whose time its cost says: it stands before it. */
export const narrowGradient: Strategy<WeightGradient> = {
  name: 'narrow',
  fits: ({ g }) => narrowGradientPays(g),
  cost: () => DIRECT_COST,
  emit(b, job) {
    const { gradient, blocks } = narrowPlan(job.g, job.steps)
    const splits = evenSplits(blocks, Math.max(1, Math.min(budgets.enoughUnits, mostSplits(job))))
    inRows(b, job, splits, (parts) =>
      emitSized(b, job, records.narrowWeightGradient, splits, { ...parts, ...gradient }),
    )
  },
}

export const directGradient: Strategy<WeightGradient> = {
  name: 'direct',
  fits: () => true,
  cost: () => DIRECT_COST,
  emit(b, given) {
    const job = asFeatures(given)
    const { g } = job
    const kPerUnit = Math.min(budgets.kPerUnit, kRowsOf(g))
    const kBlocks = Math.ceil(kRowsOf(g) / kPerUnit)
    const splits = Math.max(1, Math.min(Math.ceil(budgets.enoughUnits / kBlocks), mostSplits(job)))
    inRows(b, job, splits, (parts) =>
      emitSized(b, job, records.convWeightGradient, splits * kBlocks, { ...parts, kPerUnit }),
    )
  },
}

/** Sums `delta` over images, pixels and steps. */
export function emitBiasGradient(
  b: ProgramBuilder,
  { images, outH, outW, outC }: Pick<Geometry, 'images' | 'outH' | 'outW' | 'outC'>,
  steps: number,
  delta: Buffer,
  out: Reference,
  accumulate: boolean,
): void {
  const fields = { images, outH, outW, outC, steps, delta, out, accumulate }
  b.emit(records.biasGradient, Math.ceil(outC / Dense.BiasChannels), fields)
}
