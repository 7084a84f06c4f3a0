/** Threads that read the batches of a training or a test ahead (Node), and whether they pay. */

import type { BatchesOptions } from '../data/batches.js'
import type { Dataset } from '../data/datasets/dataset.js'
import { isOfFiles, readingNs } from '../data/open.js'
import { type Plain, plainOf } from '../data/plain.js'
import type { Session } from '../engine/session.js'
import { availableParallelism } from '../engine/threads/processors.js'

/** Work for which starting a thread pays. */
const WORTH_NS = 2e8

/** Threads of a test, where nobody says how many. */
const MOST_OF_TEST = 4

/** Whether a thread that reads so many samples is worth its start; follows from sizes alone. */
const pays = (session: Session, plain: Plain, samples: number): boolean =>
  availableParallelism() > 1 && samples * session.imageFloats * readingNs(plain) >= WORTH_NS

/** Which batches are read ahead. */
interface AheadTask {
  /** Number of the first batch, counted through all epochs. */
  readonly first: number
  /** Passes over the data. */
  readonly epochs: number
  /** Whether it is a test: few threads, and none for what lies in memory. */
  readonly isTest: boolean
  /** As in `fit`. */
  readonly numWorkers: number | undefined
}

/** @throws SpikewasmError when a file of the package is missing */
export async function readAhead(
  session: Session,
  data: Dataset,
  options: BatchesOptions,
  { numWorkers, isTest, first, epochs }: AheadTask,
) {
  const plain = numWorkers === 0 ? undefined : plainOf(data)
  if (!plain) return undefined
  const { batchSize } = options
  // As `Batches` counts them.
  const batches = options.dropLast
    ? Math.floor(data.length / batchSize)
    : Math.ceil(data.length / batchSize)
  const samples = isTest ? data.length : (epochs * batches - first) * batchSize
  const mayPay = !isTest || isOfFiles(plain)
  if (numWorkers === undefined && !(mayPay && pays(session, plain, samples))) return undefined
  const most = Math.min(MOST_OF_TEST, Math.max(1, availableParallelism() >> 1))
  const threads = isTest ? Math.min(batches, numWorkers ?? most) : numWorkers
  const { BatchThreads } = await import('../data/threads.js')
  return BatchThreads.start(data, plain, options, {
    first,
    epochs,
    targetSize: session.targetFloats,
    weighted: session.plan.options.training?.weighted,
    threads,
  })
}
