/** Where the batches of a training come from: the calling thread, or one of their own. */

import { Batches, type BatchesOptions } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { readingNs } from '../data/open.js'
import { plainOf } from '../data/plain.js'
import type { BatchThread } from '../data/thread.js'
import { describe, expect } from '../errors.js'
import { expectPackageFile } from '../runtime/load.js'
import { availableParallelism, isNode } from '../runtime/processors.js'
import type { Session } from '../runtime/session.js'
import { fillBatch, wantsValues } from './evaluate.js'

const threadFile = new URL('../data/thread.js', import.meta.url)

/** Work of a whole training for which starting a thread pays. */
const WORTH_NS = 2e8

/** @throws SpikewasmError unless it is 0, 1 or absent */
export function checkNumWorkers(name: string, value: 0 | 1 | undefined): void {
  expect(
    value === undefined || value === 0 || value === 1,
    () =>
      `${name} must be 0 (the calling thread prepares batches) or 1 (a thread of its own), ` +
      `got ${describe(value)}; leave it out to have it chosen`,
  )
}

/** Batches of one epoch after another, each asked for once and in order. */
export class Feed {
  /** Samples of a batch, but for a last one that is not full. */
  readonly full: number
  private epoch = 0

  private constructor(
    private readonly session: Session,
    private readonly batches: Batches,
    private readonly thread: BatchThread | undefined,
  ) {
    this.full = Math.min(session.batchSize, batches.dataset.length)
  }

  /**
   * @param from the epoch and the step of the first batch that is asked for
   * @param epochs the epoch at which the training ends
   * @param options `dropLast` leaves out a last batch that is not full, unless there is no other.
   *   `numWorkers` 0: no thread; 1: one, if the data set can be sent to it; undefined: one if it
   *   pays as well. That follows from sizes alone. The batches are the same.
   */
  static async open(
    session: Session,
    data: Dataset,
    from: { readonly epoch: number; readonly step: number },
    epochs: number,
    { numWorkers, dropLast = true }: { numWorkers?: 0 | 1; dropLast?: boolean },
  ): Promise<Feed> {
    const { batchSize, seed } = session
    const whole = data.length >= batchSize
    const options: BatchesOptions = { batchSize, seed, training: true, dropLast: dropLast && whole }
    const batches = new Batches(data, options, 'slots')
    const first = from.epoch * batches.length + from.step
    const samples = (epochs * batches.length - first) * batchSize
    const plain = isNode && whole && numWorkers !== 0 ? plainOf(data) : undefined
    const pays = (): boolean =>
      availableParallelism() > 1 && samples * session.imageFloats * readingNs(plain!) >= WORTH_NS
    if (!plain || !(numWorkers === 1 || pays())) return new Feed(session, batches, undefined)
    await expectPackageFile(threadFile)
    const { BatchThread } = await import('../data/thread.js')
    const targetSize = wantsValues(session) ? session.classes : 0
    const task = { first, epochs, targetSize }
    return new Feed(session, batches, await BatchThread.start(data, plain, options, task))
  }

  /** Batches of an epoch. */
  get length(): number {
    return this.batches.length
  }

  startEpoch(epoch: number): void {
    this.epoch = epoch
    this.batches.startEpoch(epoch)
  }

  /** Fills a slot with a batch of the epoch and returns the number of its samples. */
  async fill(batch: number, slot: 0 | 1): Promise<number> {
    const { images, labels, targets } = this.session.slot(slot)
    const number = this.epoch * this.batches.length + batch
    const isFull = (batch + 1) * this.full <= this.batches.dataset.length
    // Repeats are made here.
    if (isFull && (await this.thread?.take(number, images, labels, targets))) return labels.length
    return fillBatch(this.session, this.batches, batch, slot)
  }

  close(): Promise<void> | undefined {
    return this.thread?.close()
  }
}
