/** The other side of `BatchThreads`: makes one batch after another, as far as there is room. */

import '../runtime/node/platform.js'
import type { MessagePort } from 'node:worker_threads'
import { expectFinite } from '../errors.js'
import { Batches, type BatchesOptions } from './batches.js'
import type { Dataset } from './dataset.js'
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
  readonly port: MessagePort
}

/**
 * Returns when all batches are begun. One that cannot be made is left to who needs it, without an
 * error: it makes that batch once more, and has the error where it can be caught. So does who needs
 * a batch of data that cannot be opened here.
 */
export default async function makeBatches(task: BatchTask): Promise<void> {
  const { port } = task
  const ring = new Ring(task.ring)
  try {
    const batches = await open(task)
    if (batches === undefined) return
    const total = task.epochs * batches.length
    for (let batch = ring.begin(); batch < total; batch = ring.begin()) {
      const wanted = ring.make(batch, () => {
        batches.startEpoch(Math.floor(batch / batches.length))
        const { images, labels, targets } = ring.slot(batch)
        const count = batches.fill(batch % batches.length, images, labels, targets)
        const { name } = batches.dataset
        expectFinite(name, images, images.length / labels.length, count)
        if (targets) expectFinite(name, targets, targets.length / labels.length, count)
      })
      if (wanted) port.postMessage(batch)
    }
  } finally {
    port.close()
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
