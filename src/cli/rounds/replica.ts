/** A model and its data, as the job of a replica asks for them. */

import { describe, fail } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { codeFile } from '../../package-files.js'
import type { CrewMaker } from '../../scale/rounds/fit.js'
import { roundsKind as kindOf } from '../../scale/rounds/runner.js'
import { type JobFiles, type Opened, ReplicaThreads } from '../../scale/rounds/threads.js'
import type { ReplicaJob } from '../../scale/rounds/wire.js'
import type { Json, OwnNetwork } from '../../scale/store.js'
import type { JobKind } from '../../scale/worker.js'
import { prepare, takenHere } from '../commands/training-options.js'
import { cacheFor, defaultThreads } from '../datasets.js'
import { loadData } from '../load-data.js'
import { lackOf, networkByName, openNetwork } from '../own-model.js'
import { parseRunOptions, type RunOptions } from '../run-folder.js'
import { dataPath, NAME } from '../sweep/spec.js'
import type { RoundsArguments } from './flags.js'

// Who trains the replicas of `train --replicas`: this process, or workers at a Redis.

/** Options that a worker has of its own, that are places of files, or that no number depends on. */
export const ownOptions = [
  'version',
  'data',
  'load',
  'loadSha256',
  'threads',
  'checkpointEvery',
  'monitor',
  'earlyStopping',
  'rounds',
  'network',
] as const satisfies readonly (keyof RunOptions)[]

/** What a job says of a run. */
export function jobOptions(options: RunOptions): Record<string, unknown> {
  const own: readonly string[] = ownOptions
  return Object.fromEntries(
    Object.entries(options).filter(([key, value]) => !own.includes(key) && value !== undefined),
  )
}

/**
 * A crew, and how to leave the place where it works.
 *
 * @param pause called before something is written to the terminal
 * @throws SpikewasmError when there is no such Redis, or a package is missing
 */
export async function crewOf(
  { redis, namespace, shared, replaceAfter }: RoundsArguments,
  options: RunOptions,
  pause: () => void,
): Promise<{ crew: CrewMaker; close(): Promise<void> }> {
  if (redis === undefined) {
    const { localCrew } = await import('../../scale/rounds/replica.js')
    return { crew: localCrew, close: async () => undefined }
  }
  const onNews = (line: string): void => {
    pause()
    process.stderr.write(`spikewasm: ${line}\n`)
  }
  const { openAt, RedisCrew } = await import('../../scale/rounds/queue.js')
  if (shared === '') fail('--shared must be a folder, got none')
  const { place, store } = await openAt({ url: redis, namespace, shared, onNews })
  const job = { store, options: jobOptions(options), replaceAfter, onNews }
  return { crew: (of) => new RedisCrew(place, of, job), close: () => place.close() }
}

/** The kind of jobs that replicas of `train --replicas` are. */
export const roundsKind: JobKind<ReplicaJob, Json> = {
  ...kindOf(new ReplicaThreads(codeFile('cli/rounds/replica-thread.js'))),
  lacks: ({ options }, models) => lackOf(ownOf(Object(options)), models),
}

/** Options that are wrong are refused when the job is done, as all others are. */
const ownOf = ({ model: name, modelSha256: sha256 }: RunOptions): OwnNetwork | undefined =>
  NAME.test(name) && /^[0-9a-f]{64}$/.test(`${sha256}`) ? { name, sha256: `${sha256}` } : undefined

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
  { data: folder, cache: given, models }: JobFiles,
): Promise<Opened> {
  const run = readJobOptions(job.options)
  const { dataset, epochs } = run
  const threads = defaultThreads(dataset)
  const path = dataPath(dataset, folder)
  const data = await loadData({ ...run, data: path, cache: cacheFor(dataset, given, path) })
  const own = ownOf(run)
  const held = own && models?.get(own.sha256)
  const source = held === undefined ? networkByName(run.model) : await openNetwork(held)
  const { model, training } = await prepare({ ...run, ...takenHere(run), threads }, data, source)
  const { optimizer, schedule, fit } = training
  const tested = fit.validationSplit === undefined ? { validation: data.test } : {}
  return { model, data: data.train, fit: { epochs, optimizer, schedule, ...fit, ...tested } }
}
