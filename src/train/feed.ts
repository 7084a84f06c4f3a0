/** Where the batches of a training come from: the calling thread, or threads of their own. */

import { Batches, type BatchesOptions } from '../data/batches.js'
import type { Dataset } from '../data/datasets/dataset.js'
import type { Slot } from '../engine/compile-options.js'
import type { Session } from '../engine/session.js'
import { fillBatch } from './evaluate.js'
import { type Extras, extras } from './registered.js'

/** Batches of one epoch after another, each asked for once and in order. */
export class Feed {
  /** Samples of a batch, but for a last one that is not full. */
  readonly full: number
  private epoch = 0

  private constructor(
    private readonly session: Session,
    private readonly batches: Batches,
    private readonly threads: Awaited<ReturnType<Extras['readAhead']>>,
  ) {
    this.full = Math.min(session.batchSize, batches.dataset.length)
  }

  /**
   * @param from the epoch and the step of the first batch that is asked for
   * @param epochs the epoch at which the training ends
   * @param options `dropLast` leaves out a last batch that is not full, unless there is no other.
   *   `numWorkers`: threads, if the data set can be sent to them; 0: none; undefined: one if it
   *   pays. That follows from sizes alone. The batches are the same.
   */
  static async open(
    session: Session,
    data: Dataset,
    from: { readonly epoch: number; readonly step: number },
    epochs: number,
    { numWorkers, dropLast = true }: { numWorkers?: number; dropLast?: boolean },
  ): Promise<Feed> {
    const { batchSize, seed } = session
    const whole = data.length >= batchSize
    const options: BatchesOptions = { batchSize, seed, training: true, dropLast: dropLast && whole }
    const batches = new Batches(data, options, 'slots')
    const first = from.epoch * batches.length + from.step
    const task = { first, epochs, numWorkers, isTest: false }
    const threads = whole ? await extras().readAhead?.(session, data, options, task) : undefined
    return new Feed(session, batches, threads)
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
  fill(batch: number, slot: 0 | 1): Promise<number> {
    const number = this.epoch * this.batches.length + batch
    const isFull = (batch + 1) * this.full <= this.batches.dataset.length
    const { session, batches, threads } = this
    // What is not full is read here.
    const take = (into: Slot) => (isFull ? threads?.take(number, into) : undefined)
    return fillBatch(session, batches, batch, slot, take)
  }

  close(): Promise<void> | undefined {
    return this.threads?.close()
  }
}
