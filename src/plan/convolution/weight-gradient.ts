/**
 * Gradient of the weight by dense products, and of the bias. Costs of a weight's gradient are in
 * the time that lists take when all neurons fire.
 */

import { Dense } from '../../../assembly/opcodes.js'
import { budgets } from '../budgets.js'
import { emitPartialSum } from '../partial-sum.js'
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

/** Emits `products` into `out`, or by splits into partial sums that are then added up. */
function inSplits(
  b: ProgramBuilder,
  { name, g, out, accumulate }: WeightGradient,
  splits: number,
  products: (to: { out?: Reference; partial?: Buffer; accumulate?: boolean }) => void,
): void {
  if (splits === 1) {
    products({ out, accumulate })
    return
  }
  const partial = b.buffer(`${name} partial sums`, splits * kRowsOf(g) * g.outC * 4)
  products({ partial })
  emitPartialSum(b, kRowsOf(g), { outC: g.outC, partial, splits, out, accumulate })
}

/** Where it fits it is faster than `direct`, whose time its cost says: it stands before it. */
export const narrowGradient: Strategy<WeightGradient> = {
  name: 'narrow',
  fits: ({ g }) => narrowGradientPays(g),
  cost: () => DIRECT_COST,
  emit(b, job) {
    const { g, steps, input, delta } = job
    const { gradient, blocks } = narrowPlan(g, steps)
    const splits = evenSplits(blocks, Math.max(1, Math.min(budgets.enoughUnits, mostSplits(job))))
    inSplits(b, job, splits, (to) =>
      emitSized(b, { g, steps }, narrowWeightGradient, splits, {
        ...inputFields(input),
        ...to,
        delta,
        splits,
        scale: input.scale ?? 1,
        ...gradient,
      }),
    )
  },
}

export const directGradient: Strategy<WeightGradient> = {
  name: 'direct',
  fits: () => true,
  cost: () => DIRECT_COST,
  emit(b, given) {
    const job = asFeatures(given)
    const { g, steps, input, delta } = job
    const kPerUnit = Math.min(budgets.kPerUnit, kRowsOf(g))
    const kBlocks = Math.ceil(kRowsOf(g) / kPerUnit)
    const splits = Math.max(1, Math.min(Math.ceil(budgets.enoughUnits / kBlocks), mostSplits(job)))
    inSplits(b, job, splits, (to) =>
      emitSized(b, { g, steps }, convWeightGradient, splits * kBlocks, {
        ...inputFields(input),
        ...to,
        delta,
        splits,
        scale: input.scale ?? 1,
        kPerUnit,
      }),
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
