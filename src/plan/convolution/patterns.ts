/**
 * Gradient of the weight through time from lists of the neurons that fire, by their pattern over
 * four steps. Its time is that of so many active neurons, so that it is chosen when the program
 * runs.
 */

import { Spike } from '../../../assembly/opcodes.js'
import { emitPartialSum } from '../partial-sum.js'
import { patternLists, patternWeightGradient } from '../records/patterns.js'
import { noPool, samePool } from '../tensors.js'
import { ref } from '../words.js'
import { neuronsPerInput } from './cycles.js'
import { emitSized, flat, kRowsOf, outputBytes } from './geometry.js'
import { type PatternShape, patternPlan, patternsApply, patternTime } from './pattern-geometry.js'
import { listingFields } from './spikes.js'
import type { PatternGradient, SpikeTask, Strategy } from './strategy.js'

/**
 * A linear layer as one over features, as the masks of its input lie in memory: lists by pixels
 * would hold what only one tap needs.
 */
function asFeatures<T extends SpikeTask>(task: T): T {
  const { spikes } = task
  if (!samePool(spikes.pool, noPool)) return task
  const g = flat(task.g, 1)
  const sources = spikes.sources.map((tensor) => ({
    ...tensor,
    shape: [g.inC, g.inH, g.inW] as const,
  }))
  return { ...task, g, spikes: { ...spikes, sources } }
}

const shapeOf = (task: SpikeTask): PatternShape => ({
  g: task.g,
  steps: task.steps,
  neurons: neuronsPerInput(task),
})

/** Cost of lists of which all neurons fire, beside that of products with the rows of δ. */
const COST = 0.87

/**
 * The fraction of active neurons in a group of steps up to which these lists take less time than
 * something else does.
 *
 * @param cost of the other for one row, in the unit of a weight's gradients.
 */
export function fewForCost(given: SpikeTask, cost: number): number {
  const { steps } = given
  const { active, silent } = patternTime(shapeOf(asFeatures(given)))
  const perGroup = (cost * steps) / Math.ceil(steps / Spike.GroupSteps)
  return (perGroup / COST - silent) / active
}

export const patternGradient: Strategy<PatternGradient, SpikeTask> = {
  name: 'patterns',
  fits: (task) => !task.g.grouping && patternsApply(asFeatures(task).g, task.steps),
  cost: (_task, active) => active,
  emit(b, given) {
    const job = asFeatures(given)
    const { name, g, steps, spikes, delta, out, accumulate } = job
    const plan = patternPlan(shapeOf(job))
    const { listBytes, inCPerUnit, partialBytes } = plan
    const shared = {
      ...plan.grid,
      lists: b.buffer(`${name} pattern lists`, plan.listsBytes),
      listPointers: b.buffer(`${name} pattern list ends`, plan.pointersBytes),
      listBytes,
    }
    const sums = partialBytes > 0 ? b.buffer(`${name} partial sums`, partialBytes) : undefined
    for (const { firstImage, images, listUnits, splits, sumUnits } of plan.passes) {
      const partial = splits > 1 ? sums : undefined
      const adds = accumulate || firstImage > 0
      const part = { ...job, g: { ...g, images }, accumulate: partial ? undefined : adds }
      emitSized(b, part, patternLists, listUnits, {
        ...listingFields(job, firstImage),
        ...shared,
      })
      emitSized(b, part, patternWeightGradient, sumUnits, {
        ...shared,
        delta: ref(delta, firstImage * steps * outputBytes(g)),
        inCPerUnit,
        splits,
        scale: spikes.scale,
        partial,
        out: partial ? undefined : out,
      })
      if (partial)
        emitPartialSum(b, kRowsOf(g), { outC: g.outC, partial, splits, out, accumulate: adds })
    }
  },
}
