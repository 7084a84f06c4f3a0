/** The other side of `BatchThreads`: makes one batch after another, as far as there is room. */

import '../engine/node/platform.js'
import { expectFinite } from '../base/errors.js'
import { serveThread } from '../engine/node/thread.js'
import type { Ask } from '../engine/threads/calls.js'
import { Batches, type BatchesOptions } from './batches.js'
import type { Dataset } from './datasets/dataset.js'
import { loadMaker, openPlain } from './open.js'
import type { Plain } from './plain.js'
import { Ring, type RingMemory } from './ring.js'

export interface BatchTask {
  readonly plain: Plain
  /** What takes the place of the plain data's own. */
  readonly described: Pick<Dataset, 'name' | 'length' | 'shape' | 'timeSteps' | 'classes'>
  readonly options: BatchesOptions
  readonly epochs: number
  readonly ring: RingMemory
}

/**
 * Returns when all batches are begun. One that cannot be made is left to who needs it, without an
 * error: it makes that batch once more, and has the error where it can be caught. So does who needs
 * a batch of data that cannot be opened here.
 */
export async function makeBatches(
  task: BatchTask,
  { say }: Pick<Ask<number>, 'say'>,
): Promise<void> {
  const ring = new Ring(task.ring)
  const batches = await open(task)
  if (batches === undefined) return
  const total = task.epochs * batches.length
  for (let batch = ring.begin(); batch < total; batch = ring.begin()) {
    const wanted = ring.make(batch, () => {
      batches.startEpoch(Math.floor(batch / batches.length))
      const { images, labels, targets, weights } = ring.slot(batch)
      batches.fill(batch % batches.length, images, labels, targets, weights)
      const { name } = batches.dataset
      // Zeros behind the samples, wherever these lie.
      expectFinite(name, images, images.length / labels.length, labels.length)
    })
    if (wanted) void say(batch)
  }
}

async function open({ plain, described, options }: BatchTask): Promise<Batches | undefined> {
  try {
    await loadMaker(plain)
    return new Batches({ ...openPlain(plain), ...described }, options, 'slots')
  } catch {
    return undefined
  }
}

const calls = { makeBatches }

export type BatchCalls = typeof calls

serveThread(calls)
