/** The two places for a batch in a model's memory. */

import type { Plan } from '../plan/plan.js'
import { type Arena, floatsAt } from './arena.js'
import type { Slot } from './settings.js'
import { slotTargets } from './targets.js'

/** What slots follow from. */
interface Source extends Arena {
  readonly batchSize: number
  readonly imageFloats: number
  readonly classes: number
}

/** Views of a slot. */
export function slotOf(session: Source, index: 0 | 1): Slot {
  const { batchSize, imageFloats, classes, memory } = session
  const { images, labels } = buffersOf(session.plan, index)
  return {
    images: floatsAt(session, images.address, batchSize * imageFloats),
    labels: new Int32Array(memory.buffer, labels.address, batchSize),
    ...slotTargets(session, index, batchSize * classes),
  }
}

const buffersOf = ({ named }: Plan, index: 0 | 1) => ({
  images: named.images[index % named.images.length],
  labels: named.labels[index % named.labels.length],
  targets: named.targets.length > 0 ? named.targets[index % named.targets.length] : undefined,
})

/** Places that hold a slot, of which so many images have been filled. */
export function slotPlaces(
  { plan, imageFloats }: Source,
  index: 0 | 1,
  count: number,
): { readonly address: number; readonly bytes: number }[] {
  const { images, labels, targets } = buffersOf(plan, index)
  const filled = { address: images.address, bytes: count * imageFloats * 4 }
  return [filled, labels, ...(targets ? [targets] : [])]
}
