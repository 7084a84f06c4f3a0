/** A model and its data, as the job of a replica asks for them. */

import { describe, fail } from '../../errors.js'
import { roundsKind as kindOf } from '../../scale/rounds/kind.js'
import type { JobFiles, Opened } from '../../scale/rounds/thread.js'
import { replicaThreads } from '../../scale/rounds/threads.js'
import type { ReplicaJob } from '../../scale/rounds/wire.js'
import { VERSION } from '../../version.js'
import { cacheFor, defaultThreads } from '../datasets.js'
import { loadData } from '../load-data.js'
import { parseRunOptions, type RunOptions } from '../run-folder.js'
import { dataPath } from '../sweep/options.js'
import { prepare, takenHere } from '../training-options.js'
import { ownOptions } from './crew.js'

/** What a worker has of its own. */
export interface ReplicaPlace {
  readonly threads?: number
}

/** Who trains replicas for `spikewasm worker`. */
export const replicaHost = (place: ReplicaPlace) =>
  replicaThreads(new URL('./replica-thread.js', import.meta.url), place)

/** The kind of jobs that replicas of `train --replicas` are. */
export const roundsKind = kindOf(replicaHost({}))

/** @throws SpikewasmError for options that are none of a run, or that name a place of files */
export function readJobOptions(options: unknown): RunOptions {
  if (typeof options !== 'object' || options === null)
    fail(`the job's options must be those of a run, got ${describe(options)}`)
  for (const key of ownOptions)
    if (Object.hasOwn(options, key))
      fail(`the job's options must leave out ${key}, which is the worker's`)
  const text = JSON.stringify({ ...options, version: VERSION, threads: 1 })
  return parseRunOptions(new TextEncoder().encode(text), 'the job')
}

/**
 * @param files where data sets are on this machine
 * @throws SpikewasmError for wrong options, and for data that are not there
 */
export async function openReplica(
  job: ReplicaJob,
  { data: folder, cache: given }: JobFiles,
  place: ReplicaPlace,
): Promise<Opened> {
  const run = readJobOptions(job.options)
  const { dataset, epochs } = run
  const { threads = defaultThreads(dataset) } = place
  const path = dataPath(dataset, folder)
  const data = await loadData({ ...run, data: path, cache: cacheFor(dataset, given, path) })
  const { model, training } = await prepare({ ...run, ...takenHere(run), threads }, data)
  const { optimizer, schedule, fit } = training
  const tested = fit.validationSplit === undefined ? { validation: data.test } : {}
  return { model, data: data.train, fit: { epochs, optimizer, schedule, ...fit, ...tested } }
}
