/** Forward on spikes with weights of one byte. */

import { budgets } from '../budgets.js'
import type { ProgramBuilder } from '../program.js'
import { spikeForwardBytes } from '../records/spikes.js'
import type { Reference } from '../words.js'
import { byteGeometry, fitsBytes } from './byte-geometry.js'
import { emitSized } from './geometry.js'
import { groupsOf, listingFields, shapeOf } from './spikes.js'
import type { SpikeForward, SpikeTask } from './strategy.js'

/** A job whose weight is bytes, [N'/block][kRows][block]. */
export interface ByteForward extends Omit<SpikeForward, 'withMoments'> {
  /** What a weight of 1 stands for, float32 [outC]. */
  readonly weightScale: Reference
}

/** Whether a convolution on spikes can have weights of one byte. */
export const fitsByteWeights = (task: SpikeTask): boolean =>
  task.g.grouping === undefined && fitsBytes(shapeOf(task))

export function emitForwardOnBytes(b: ProgramBuilder, job: ByteForward): void {
  const { units, ...words } = byteGeometry(shapeOf(job))
  for (const group of groupsOf(job.steps))
    emitSized(b, job, spikeForwardBytes, units, {
      ...listingFields(job),
      ...words,
      mostCounted: budgets.wordWeights,
      group,
      scale: job.spikes.scale,
    })
}
