/** The other side of `BatchThread`: makes one batch after another, as far as there is room. */

import type { MessagePort } from 'node:worker_threads'
import { expectFinite } from '../errors.js'
import { Batches, type BatchesOptions } from './batches.js'
import type { Dataset } from './dataset.js'
import { openPlain } from './open.js'
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
 * Returns when all batches are made. One that cannot be made ends it, without an error: who needs
 * that batch makes it once more, and has the error where it can be caught.
 */
export default function makeBatches(task: BatchTask): void {
  const { port } = task
  const ring = new Ring(task.ring)
  let batch = 0
  try {
    const dataset: Dataset = { ...openPlain(task.plain), ...task.described }
    const batches = new Batches(dataset, task.options, 'slots')
    const total = task.epochs * batches.length
    let epoch = 0
    for (batch = ring.awaitRoom(0); batch < total; batch = ring.awaitRoom(batch + 1)) {
      ring.making(batch)
      const now = Math.floor(batch / batches.length)
      if (now !== epoch) batches.startEpoch(now)
      epoch = now
      const { images, labels, targets } = ring.slot(batch)
      const count = batches.fill(batch % batches.length, images, labels, targets)
      expectFinite(dataset.name, images, images.length / labels.length, count)
      if (targets) expectFinite(dataset.name, targets, targets.length / labels.length, count)
      if (ring.made(batch)) port.postMessage(batch)
    }
  } catch {
    ring.failed(batch)
    port.postMessage(batch)
  } finally {
    port.close()
  }
}
