/**
 * Gradient of the weight from lists of the neurons that fired. Its time is that of so many active
 * neurons, so that it is chosen when the program runs.
 */

import { budgets } from '../budgets.js'
import { spikeSources } from '../materialise.js'
import { LEAST_COUNTS, listWeightGradient, rateLists } from '../records/lists.js'
import { type Expression, noPool, type SpikeTensor, samePool } from '../tensors.js'
import type { Buffer } from '../words.js'
import { emitSized } from './geometry.js'
import { listPlan, listsPay } from './list-geometry.js'
import type { ListGradient, Strategy } from './strategy.js'

/** The spikes whose counts lists can be made of: those of one tensor, as they are. */
export function listSource(x: Expression): { tensor: SpikeTensor; scale: number } | undefined {
  const spikes = spikeSources(x)
  if (spikes?.sources.length !== 1 || !samePool(spikes.pool, noPool)) return undefined
  return { tensor: spikes.sources[0], scale: spikes.scale }
}

export const listGradient: Strategy<ListGradient> = {
  name: 'lists',
  fits: ({ g, steps }) => listsPay(g, steps),
  cost: (_task, active) => active,
  emit(b, job) {
    const { name, g, steps, tensor, scale } = job
    const plan = listPlan(g, steps)
    const room = listPlan(g, Math.max(LEAST_COUNTS, steps))
    const shared = {
      imagesPerGroup: plan.imagesPerGroup,
      grids: b.buffer(`${name} grids`, plan.gridBytes),
      lists: b.buffer(`${name} rate lists`, plan.listBytes),
      listPointers: b.buffer(`${name} rate list pointers`, room.pointerBytes),
    }
    emitSized(b, job, rateLists, plan.listUnits, {
      counts: tensor.counts as Buffer,
      mostCounted: budgets.byteCount,
      ...shared,
    })
    emitSized(b, job, listWeightGradient, plan.sumUnits, {
      ...shared,
      inCPerUnit: plan.inCPerUnit,
      scale: scale / steps,
    })
  },
}
