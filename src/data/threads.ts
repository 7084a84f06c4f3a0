/**
 * Threads that make the batches of a training ahead of its steps (Node). What they lay down has the
 * bits that `Batches.fill` gives on any thread, whichever of them makes a batch.
 */

import { fail } from '../base/errors.js'
import { letGo } from '../engine/memory/collect.js'
import { expectPackageFile, expectThreads, Thread } from '../engine/node/thread.js'
import { codeFile } from '../package-files.js'
import type { BatchesOptions } from './batches.js'
import { type Dataset, sampleFloats } from './datasets/dataset.js'
import type { Plain } from './plain.js'
import { type Batch, makeRing, Ring } from './ring.js'
import type { BatchCalls } from './thread-worker.js'

const workerFile = codeFile('data/thread-worker.js')

/** Which batches are made ahead, and by how many threads. */
interface Ahead {
  readonly first: number
  readonly epochs: number
  readonly targetSize?: number
  readonly weighted?: boolean
  readonly threads?: number
}

export class BatchThreads {
  /** @throws SpikewasmError when the file that they start from is missing */
  static async start(...args: ConstructorParameters<typeof BatchThreads>): Promise<BatchThreads> {
    await expectPackageFile(workerFile)
    return new BatchThreads(...args)
  }

  /** They say that a batch is there, or that it could not be made. */
  private readonly threads: Thread<BatchCalls>[] = []
  private readonly ring: Ring
  private wake: (() => void) | undefined
  /** Threads that may still make batches. */
  private running: number
  private failure: Error | undefined

  /**
   * @param plain what the threads make the data set of (`plainOf`)
   * @param first number of the first batch, counted through all epochs
   * @param epochs passes over the data, those before `first` included
   * @param weighted whether weights of samples are wanted
   * @param targetSize numbers that are wanted of a sample; 0 where there are labels alone
   * @param threads how many; each has a batch of its own at hand
   */
  constructor(
    dataset: Dataset,
    plain: Plain,
    options: BatchesOptions,
    { first, epochs, targetSize, threads = 1, weighted }: Ahead,
  ) {
    const { name, length, shape, timeSteps, classes } = dataset
    const { batchSize } = options
    expectThreads('numWorkers', threads)
    const [size, slots] = [sampleFloats(dataset), threads + 1]
    this.ring = new Ring(makeRing(batchSize, size, targetSize, slots, weighted))
    this.ring.goOn(first)
    this.running = threads
    // As the data set is now: it may be a copy of another one under a new name.
    const described = { name, length, shape, timeSteps, classes }
    for (let i = 0; i < threads; i++) {
      const thread = new Thread<BatchCalls>(workerFile)
      this.threads.push(thread)
      const task = { plain, described, options, epochs, ring: this.ring.memory }
      thread.call('makeBatches', task, { onNews: () => this.wake?.() }).then(
        () => this.end(),
        (error: Error) => this.end(error),
      )
    }
  }

  private end(error?: Error): void {
    this.running--
    this.failure ??= error
    this.wake?.()
  }

  /** Whether to wait for nothing more. */
  private get ended(): boolean {
    return this.running === 0 || this.failure !== undefined
  }

  /**
   * Copies a batch into a slot, if a thread has made it or is about to. Batches must be asked for
   * in order; some may be left out.
   *
   * @param batch its number, counted through all epochs
   * @returns whether it did; if not, the caller makes it: no thread has come to it yet, since they
   *   start or other programs hold them up, or it cannot be made
   * @throws SpikewasmError when a thread has died
   */
  async take(batch: number, into: Batch): Promise<boolean> {
    this.ring.goOn(batch)
    let state = this.ring.want(batch)
    while (state === 'making' && !this.ended) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
        // It may have come meanwhile.
        state = this.ring.want(batch)
        if (state !== 'making' || this.ended) resolve()
      })
      this.wake = undefined
      state = this.ring.want(batch)
    }
    if (this.failure)
      fail(
        `a thread that prepares batches ended (${this.failure.message}); with numWorkers: 0 ` +
          'batches are prepared on the calling thread',
        this.failure,
      )
    const isReady = state === 'ready'
    if (isReady) {
      const slot = this.ring.slot(batch)
      into.images.set(slot.images)
      into.labels.set(slot.labels)
      if (slot.targets) into.targets?.set(slot.targets)
      if (slot.weights) into.weights?.set(slot.weights)
    }
    this.ring.goOn(batch + 1)
    return isReady
  }

  /** Ends the threads, whatever they are at. */
  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.end()))
    await letGo(this.ring.bytes)
  }
}
