/**
 * Gradient of the weight by dense products, and of the bias. Costs of a weight's gradient are in
 * the time that lists take when all neurons fire.
 */

import { Dense } from '../../../assembly/opcodes.js'
import { budgets } from '../budgets.js'
import { type emitFloatSum, emitPartialSum } from '../partial-sum.js'
import type { ProgramBuilder } from '../program.js'
import { biasGradient, convWeightGradient, narrowWeightGradient } from '../records/dense.js'
import type { Buffer, Reference } from '../words.js'
import { asFeatures, inputFields } from './dense.js'
import { emitSized, type Geometry, kRowsOf, pixelsOf } from './geometry.js'
import { narrowGradientPays, narrowPlan } from './narrow-geometry.js'
import type { Strategy, WeightGradient } from './strategy.js'

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
      emitSized(b, job, narrowWeightGradient, splits, { ...parts, ...gradient }),
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
      emitSized(b, job, convWeightGradient, splits * kBlocks, { ...parts, kPerUnit }),
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
  b.emit(biasGradient, Math.ceil(outC / Dense.BiasChannels), fields)
}
