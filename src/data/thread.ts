/**
 * A thread that makes the batches of a training ahead of its steps (Node). What it lays down has
 * the bits that `Batches.fill` gives on any thread.
 */

import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { SpikewasmError } from '../errors.js'
import type { InputShape } from '../nn/value.js'
import { letGo } from '../runtime/collect.js'
import { endOf } from '../runtime/end-pool.js'
import { expectPackageFile } from '../runtime/load.js'
import { Piscina } from '../runtime/vendor/piscina/index.js'
import type { BatchesOptions } from './batches.js'
import { type Dataset, sampleFloats } from './dataset.js'
import type { Plain } from './plain.js'
import { makeRing, Ring } from './ring.js'
import type { BatchTask } from './thread-worker.js'

const workerFile = new URL('./thread-worker.js', import.meta.url)

export class BatchThread {
  /** @throws SpikewasmError when the file that it starts from is missing */
  static async start(...args: ConstructorParameters<typeof BatchThread>): Promise<BatchThread> {
    await expectPackageFile(workerFile)
    return new BatchThread(...args)
  }

  private readonly pool: Piscina<BatchTask, void>
  private readonly endPool: () => Promise<void>
  private readonly ring: Ring
  /** To this side the thread says that a batch is there, or that it could not be made. */
  private readonly port: MessagePort
  private wake: (() => void) | undefined
  private ended = false
  private failure: Error | undefined

  /**
   * @param plain what the thread makes the data set of (`plainOf`)
   * @param first number of the first batch, counted through all epochs
   * @param epochs passes over the data, those before `first` included
   * @param targetSize numbers that are wanted of a sample; 0 where there are labels alone
   */
  constructor(
    dataset: Dataset,
    plain: Plain,
    options: BatchesOptions,
    {
      first,
      epochs,
      targetSize,
    }: { readonly first: number; readonly epochs: number; readonly targetSize?: number },
  ) {
    const { name, length, shape, timeSteps, classes } = dataset
    this.ring = new Ring(makeRing(options.batchSize, sampleFloats(dataset), targetSize))
    this.ring.goOn(first)
    this.pool = new Piscina<BatchTask, void>({
      filename: workerFile.href,
      minThreads: 1,
      maxThreads: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
    })
    this.endPool = endOf(this.pool)
    const { port1, port2 } = new MessageChannel()
    this.port = port1
    port1.on('message', () => this.wake?.())
    const task: BatchTask = {
      plain,
      // As the data set is now: it may be a copy of another one under a new name.
      described: { name, length, shape: [...shape] as unknown as InputShape, timeSteps, classes },
      options,
      epochs,
      ring: this.ring.memory,
      port: port2,
    }
    this.pool.run(task, { transferList: [port2] }).then(
      () => this.end(),
      (error: Error) => this.end(error),
    )
  }

  private end(error?: Error): void {
    this.ended = true
    this.failure = error
    this.wake?.()
  }

  /**
   * Copies a batch into a slot, if the thread has made it or is about to. Batches must be asked for
   * in order; some may be left out.
   *
   * @param batch its number, counted through all epochs
   * @returns whether it did; if not, the caller makes it: the thread has not come to it yet, since
   *   it starts or other programs hold it up, or it cannot make it
   * @throws SpikewasmError when the thread has died
   */
  async take(
    batch: number,
    images: Float32Array,
    labels: Int32Array,
    targets?: Float32Array,
  ): Promise<boolean> {
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
      throw new SpikewasmError(
        `the thread that prepares batches ended (${this.failure.message}); with numWorkers: 0 ` +
          'batches are prepared on the calling thread',
        { cause: this.failure },
      )
    const isReady = state === 'ready'
    if (isReady) {
      const slot = this.ring.slot(batch)
      images.set(slot.images)
      labels.set(slot.labels)
      if (targets && slot.targets) targets.set(slot.targets)
    }
    this.ring.goOn(batch + 1)
    return isReady
  }

  /** Ends the thread, whatever it is at. */
  async close(): Promise<void> {
    this.port.close()
    await this.endPool()
    await letGo(this.ring.bytes)
  }
}
