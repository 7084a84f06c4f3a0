/** Runs of a sweep as jobs in Redis: this process trains nothing and waits. */

import { createHash } from 'node:crypto'
import { totalmem } from 'node:os'
import { plainText, SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { readRunFile } from '../../files/folder/read.js'
import { DamagedEntry, readJob } from '../../scale/damaged.js'
import type { RedisPlace } from '../../scale/redis.js'
import {
  type BlobStore,
  envelopeOf,
  hasModel,
  KEPT_SECONDS,
  noteVersion,
  otherVersions,
  queueOf,
  redisStore,
  whoStandsAside,
} from '../../scale/store.js'
import { oneAtATime, stopKey, within } from '../../scale/worker.js'
import { runFiles } from '../../train/callbacks/run-files.js'
import type { Executor, Task, TaskNews } from './engine.js'
import { filesName, payloadOf, RUNS, unpackRun, writeRun } from './job.js'
import { checkResult, type RunResult } from './page.js'
import { RunStopped } from './run-child.js'

/** A job that fails is tried so often, later and later. */
const ATTEMPTS = 4
const BACKOFF_MS = 2000
/** How often all jobs are looked at, whatever was heard of them. */
const LOOK_MS = 2000
/** Jobs that are asked for at a time. */
const AT_ONCE = 100

interface Pending {
  readonly task: Task
  readonly onNews: (news: TaskNews) => void
  readonly resolve: (result: RunResult) => void
  readonly reject: (error: Error) => void
  /** When it was put into the queue. */
  isThere: boolean
}

export interface RemoteOptions {
  readonly place: RedisPlace
  /** Where workers keep files; default: Redis. */
  readonly store?: BlobStore
  runFolder(id: string): string
  /** Who waits for runs: the same for the same sweep, begun again or not. */
  readonly who: string
  /** Told when files of a run could not be fetched. */
  onTrouble(line: string): void
}

export type RemoteExecutor = ReturnType<typeof remoteExecutor>

/** Removes jobs that wait, and asks workers to end those that run, of whatever version. */
export async function stopJobs(place: RedisPlace, names: readonly string[]): Promise<void> {
  for (const version of [VERSION, ...(await otherVersions(place, RUNS))]) {
    const queue = place.queue(queueOf(RUNS, version))
    try {
      for (const name of names) {
        const state = await queue.getJobState(name)
        if (state === 'unknown' || state === 'completed' || state === 'failed') continue
        await place.client.set(stopKey(place, name), '1', 'EX', 3600)
        // One that is being done cannot be removed: its worker hears of the key.
        await queue.remove(name).catch(() => undefined)
      }
    } finally {
      await within(1000, queue.close())
    }
  }
}

/** The largest file of a run that is taken. */
const most = { bytes: totalmem() / 2, of: 'half of the memory of this machine' }

export function remoteExecutor(options: RemoteOptions) {
  const { place, runFolder, onTrouble, who } = options
  const store = options.store ?? redisStore(place)
  const queue = place.queue(queueOf(RUNS))
  const events = place.events(queueOf(RUNS))
  const pending = new Map<string, Pending>()

  const look = async (name: string): Promise<void> => {
    const of = pending.get(name)
    if (!of?.isThere) return
    // The state first: a job that ends in between is then read with its result.
    const state = await queue.getJobState(name)
    const job = await readJob(place, queue, name).catch((error: unknown) => {
      if (error instanceof DamagedEntry) return error
      throw error
    })
    if (!pending.has(name)) return
    const fail = (error: Error): void => {
      pending.delete(name)
      of.reject(error)
      if (state !== 'completed') void unclaim(name).catch(() => undefined)
    }
    if (!job) fail(new RunStopped('removed'))
    else if (job instanceof DamagedEntry) {
      // One that waits is refused by the worker that takes it.
      if (state === 'completed' || state === 'failed') fail(job)
    } else if (state === 'failed') {
      const why = String(job.failedReason)
      fail(why === 'stopped' ? new RunStopped(why) : new SpikewasmError(plainText(why, 400)))
    } else if (state === 'completed')
      try {
        const result = checkResult(job.returnvalue, `the job ${name}`)
        pending.delete(name)
        await fetchFiles(of.task, result)
        of.resolve(result)
      } catch (error) {
        fail(error as Error)
      }
    else {
      of.onNews(state === 'active' ? 'works' : 'waits')
      if (state === 'active') tellNews(of, job.progress)
    }
  }

  /** Sweeps that wait for a run: the last one to have its files takes them away. */
  const claims = (name: string): string => place.key('wanted', name)
  const claim = async (name: string): Promise<void> => {
    await place.client.sadd(claims(name), who)
    await place.client.expire(claims(name), KEPT_SECONDS)
  }
  /** @returns whether others still wait for it */
  const unclaim = async (name: string): Promise<boolean> => {
    await place.client.srem(claims(name), who)
    return (await place.client.exists(claims(name))) === 1
  }

  /** A copy of what the run has left, as a local sweep would have it. */
  const fetchFiles = async ({ name, id, until }: Task, result: RunResult): Promise<void> => {
    try {
      const folder = runFolder(id)
      const { weightsSha256 } = result
      if ((await weightsHash(folder)) !== weightsSha256) {
        const bytes = await store.get(filesName(name), most)
        const files = bytes && unpackRun(bytes, filesName(name))
        const weights = files?.[runFiles.weights]
        if (!files || !weights)
          throw new Error(
            'they are no longer there: another sweep has fetched them, or they are more than a ' +
              'week old, or workers have another --shared than the sweep',
          )
        if (hashOf(weights) !== weightsSha256)
          throw new Error('they are others than its result says')
        await writeRun(folder, files)
      }
      const isWanted = await unclaim(name)
      // The next part of a run that goes on needs them.
      if (!isWanted && until === undefined) await store.remove(filesName(name))
    } catch (error) {
      onTrouble(`the files of run ${name} were not fetched: ${(error as Error).message}`)
    }
  }

  /** Networks that are waited for and that no worker has. */
  const lacking = async (): Promise<string> => {
    const all = new Map(
      [...pending.values()].map(({ task }) => [task.run.own?.sha256, task.run.own]),
    )
    const missing: string[] = []
    for (const own of all.values())
      if (own && !(await hasModel(place, own.sha256)))
        missing.push(`${own.name} (SHA-256 ${own.sha256})`)
    return missing.length === 0
      ? ''
      : `no worker has the network ${missing.join(', ')}; put the file into a folder, and start ` +
          'one with --models FOLDER'
  }

  const lookAtAll = oneAtATime(async () => {
    const names = [...pending.keys()]
    for (let i = 0; i < names.length; i += AT_ONCE)
      // Where the connection is lost: later.
      await Promise.allSettled(names.slice(i, i + AT_ONCE).map(look))
  })
  const timer = setInterval(lookAtAll, LOOK_MS)
  const hear = ({ jobId }: { jobId: string }): void => void look(jobId).catch(() => undefined)
  events.on('completed', hear)
  events.on('failed', hear)
  events.on('progress', ({ jobId, data }) => {
    const of = pending.get(jobId)
    if (of) tellNews(of, data)
  })

  const isUseless = async (name: string): Promise<boolean> => {
    if ((await queue.getJobState(name)) === 'failed') return true
    const found = await readJob(place, queue, name).catch((error: unknown) => error)
    return found instanceof DamagedEntry
  }
  const submit = async (of: Pending): Promise<void> => {
    const { name } = of.task
    await place.client.del(stopKey(place, name))
    await claim(name)
    // One that has failed before is tried again; all others are there already, done or not.
    if (await isUseless(name)) await queue.remove(name)
    await queue.add('run', envelopeOf(RUNS, payloadOf(of.task)), {
      jobId: name,
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: BACKOFF_MS },
      removeOnComplete: { age: KEPT_SECONDS },
      removeOnFail: { age: KEPT_SECONDS },
    })
    of.isThere = true
    await look(name)
  }

  const execute: Executor['execute'] = (task, onNews, signal) => {
    let end = (): void => {}
    return new Promise<RunResult>((resolve, reject) => {
      const of: Pending = { task, onNews, resolve, reject, isThere: false }
      pending.set(task.name, of)
      end = () => {
        pending.delete(task.name)
        // Files that are being fetched may wait for a Redis that is gone.
        reject(new RunStopped('left'))
      }
      if (signal.aborted) return end()
      signal.addEventListener('abort', end, { once: true })
      submit(of).catch((error: Error) => {
        if (pending.delete(task.name)) reject(error)
      })
    }).finally(() => signal.removeEventListener('abort', end))
  }
  return {
    mayStart: () => true,
    execute,
    /** Workers that listen, and what is to be said of who does not do the jobs; '' for nothing. */
    async workers() {
      await noteVersion(place, RUNS)
      const found = await Promise.all([queue.getWorkers(), whoStandsAside(place, RUNS), lacking()])
      return { count: found[0].length, others: found[1], lacking: found[2] }
    },
    /** Ends jobs of these names, wherever they are. */
    stop: (names: readonly string[]) => within(20_000, stopJobs(place, names)),
    async close() {
      clearInterval(timer)
      await within(3000, Promise.all([queue.close(), events.close()]))
    },
  }
}

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The hash of the weights that a run's folder has already. */
async function weightsHash(folder: string): Promise<string | undefined> {
  const bytes = await readRunFile(folder, runFiles.weights).catch(() => undefined)
  return bytes && hashOf(bytes)
}

/** How far a worker says it is. */
function tellNews(of: Pending, progress: unknown): void {
  const { epoch, epochs, step, steps, testAccuracy } = Object(progress) as Record<string, unknown>
  const counts = [epoch, epochs, step, steps]
  if (!counts.every((n) => Number.isSafeInteger(n) && (n as number) >= 0)) return
  of.onNews({
    ...{ epoch: epoch as number, epochs: epochs as number },
    ...{ step: step as number, steps: steps as number },
    testAccuracy: Number.isFinite(testAccuracy) ? (testAccuracy as number) : null,
  })
}
