/** Threads that read the batches of a training or an evaluation ahead, and whether they pay. */

import type { Batches, BatchesOptions } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { isOfFiles, readingNs } from '../data/open.js'
import { type Plain, plainOf } from '../data/plain.js'
import type { BatchThreads } from '../data/threads.js'
import { describe, expect } from '../errors.js'
import { expectPackageFile } from '../runtime/node/platform.js'
import { availableParallelism, isNode } from '../runtime/processors.js'
import type { Session } from '../runtime/session.js'

const threadFile = new URL('../data/threads.js', import.meta.url)

/** Work for which starting a thread pays. */
const WORTH_NS = 2e8

/** More threads than any machine that trains has for reading. */
const MOST_WORKERS = 64

/** Threads of a test, where nobody says how many. */
const MOST_OF_TEST = 4

/** @throws SpikewasmError unless it is an integer from 0 to 64, or absent */
export function checkNumWorkers(name: string, value: number | undefined): void {
  expect(
    value === undefined || (Number.isInteger(value) && value >= 0 && value <= MOST_WORKERS),
    () =>
      `${name} must be 0 (the calling thread prepares batches) or the number of threads that do, ` +
      `at most ${MOST_WORKERS}, got ${describe(value)}; leave it out to have it chosen`,
  )
}

/** Whether a thread that reads so many samples is worth its start; follows from sizes alone. */
export const pays = (session: Session, plain: Plain, samples: number): boolean =>
  availableParallelism() > 1 && samples * session.imageFloats * readingNs(plain) >= WORTH_NS

/** @throws SpikewasmError when a file of the package is missing */
export async function startReading(
  data: Dataset,
  plain: Plain,
  options: BatchesOptions,
  task: {
    readonly first: number
    readonly epochs: number
    readonly targetSize: number
    readonly threads?: number
  },
): Promise<BatchThreads> {
  await expectPackageFile(threadFile)
  const { BatchThreads } = await import('../data/threads.js')
  return BatchThreads.start(data, plain, options, task)
}

/**
 * Threads for one pass over a data set in its order; none where its samples lie in memory, since
 * they are read while the model computes.
 *
 * @param targetSize numbers that are wanted of a sample; 0 where there are labels alone
 * @param numWorkers as in `fit`
 */
export async function readTest(
  session: Session,
  { dataset, batchSize, length }: Batches,
  targetSize: number,
  numWorkers: number | undefined,
): Promise<BatchThreads | undefined> {
  const plain = isNode() && numWorkers !== 0 ? plainOf(dataset) : undefined
  if (!plain) return undefined
  if (numWorkers === undefined && !(isOfFiles(plain) && pays(session, plain, dataset.length)))
    return undefined
  const most = Math.min(MOST_OF_TEST, Math.max(1, availableParallelism() >> 1))
  const threads = Math.min(length, numWorkers ?? most)
  return startReading(dataset, plain, { batchSize }, { first: 0, epochs: 1, targetSize, threads })
}
