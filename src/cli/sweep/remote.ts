/** Runs of a sweep as jobs in Redis: this process trains nothing and waits. */

import { totalmem } from 'node:os'
import type { Queue, QueueEvents } from 'bullmq'
import { plainText, SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { readRunFile } from '../../files/folder/read.js'
import { DamagedEntry, readJob } from '../../scale/damaged.js'
import type { RedisPlace } from '../../scale/redis.js'
import * as queues from '../../scale/store.js'
import { oneAtATime, stopKey, within } from '../../scale/worker.js'
import { runFiles } from '../../train/callbacks/run-files.js'
import { sha256Of } from '../own-model.js'
import type { Executor, Task, TaskNews } from './engine.js'
import { filesName, payloadOf, RUNS, unpackRun, writeRun } from './job.js'
import { checkResult, type RunResult } from './page.js'
import { type RunNews, RunStopped } from './run-child.js'

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
  readonly store?: queues.BlobStore
  runFolder(id: string): string
  /** Who waits for runs: the same for the same sweep, begun again or not. */
  readonly who: string
  /** Told when files of a run could not be fetched. */
  onTrouble(line: string): void
}

/** Removes jobs that wait, and asks workers to end those that run, of whatever version. */
export async function stopJobs(place: RedisPlace, names: readonly string[]): Promise<void> {
  for (const version of [VERSION, ...(await queues.otherVersions(place, RUNS))]) {
    const queue = place.queue(queues.queueOf(RUNS, version))
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

/** The damaged entry that stands in the place of a job. */
const asDamage = (error: unknown): DamagedEntry => {
  if (error instanceof DamagedEntry) return error
  throw error
}

/** Runs that are waited for. */
export class RemoteExecutor implements Executor {
  readonly place: RedisPlace
  private readonly store: queues.BlobStore
  private readonly queue: Queue
  private readonly events: QueueEvents
  private readonly pending = new Map<string, Pending>()
  private readonly timer: NodeJS.Timeout

  constructor(private readonly options: RemoteOptions) {
    const { place } = options
    this.place = place
    this.store = options.store ?? queues.redisStore(place)
    this.queue = place.queue(queues.queueOf(RUNS))
    this.events = place.events(queues.queueOf(RUNS))
    const lookAtAll = oneAtATime(async () => {
      const names = [...this.pending.keys()]
      for (let i = 0; i < names.length; i += AT_ONCE)
        // Where the connection is lost: later.
        await Promise.allSettled(names.slice(i, i + AT_ONCE).map((name) => this.look(name)))
    })
    this.timer = setInterval(lookAtAll, LOOK_MS)
    const hear = ({ jobId }: { jobId: string }): void =>
      void this.look(jobId).catch(() => undefined)
    this.events.on('completed', hear)
    this.events.on('failed', hear)
    this.events.on('progress', ({ jobId, data }) => {
      const of = this.pending.get(jobId)
      if (of) tellNews(of, data)
    })
  }

  readonly execute: Executor['execute'] = (task, onNews, signal) => {
    let end = (): void => {}
    return new Promise<RunResult>((resolve, reject) => {
      const of: Pending = { task, onNews, resolve, reject, isThere: false }
      this.pending.set(task.name, of)
      end = () => {
        this.pending.delete(task.name)
        // Files that are being fetched may wait for a Redis that is gone.
        reject(new RunStopped('left'))
      }
      if (signal.aborted) return end()
      signal.addEventListener('abort', end, { once: true })
      this.submit(of).catch((error: Error) => {
        if (this.pending.delete(task.name)) reject(error)
      })
    }).finally(() => signal.removeEventListener('abort', end))
  }

  readonly mayStart = (): boolean => true

  /** Workers that listen, and what is to be said of who does not do the jobs; '' for nothing. */
  async workers() {
    await queues.noteVersion(this.place, RUNS)
    const owns = [...this.pending.values()].flatMap(({ task }) => task.run.own ?? [])
    const [workers, others, lacking] = await Promise.all([
      this.queue.getWorkers(),
      queues.whoStandsAside(this.place, RUNS),
      queues.whatIsLacking(this.place, owns),
    ])
    return { count: workers.length, others, lacking }
  }

  /** Ends jobs of these names, wherever they are. */
  readonly stop = (names: readonly string[]): Promise<void> =>
    within(20_000, stopJobs(this.place, names))

  async close(): Promise<void> {
    clearInterval(this.timer)
    await within(3000, Promise.all([this.queue.close(), this.events.close()]))
  }

  private async look(name: string): Promise<void> {
    const of = this.pending.get(name)
    if (!of?.isThere) return
    // The state first: a job that ends in between is then read with its result.
    const state = await this.queue.getJobState(name)
    const job = await readJob(this.place, this.queue, name).catch(asDamage)
    if (!this.pending.has(name)) return
    const hasEnded = state === 'completed' || state === 'failed'
    if (!job) this.fail(of, state, new RunStopped('removed'))
    else if (job instanceof DamagedEntry) {
      // One that waits is refused by the worker that takes it.
      if (hasEnded) this.fail(of, state, job)
    } else if (state === 'failed') {
      const why = String(job.failedReason)
      const error =
        why === 'stopped' ? new RunStopped(why) : new SpikewasmError(plainText(why, 400))
      this.fail(of, state, error)
    } else if (state === 'completed')
      try {
        const result = checkResult(job.returnvalue, `the job ${name}`)
        this.pending.delete(name)
        await this.fetchFiles(of.task, result)
        of.resolve(result)
      } catch (error) {
        this.fail(of, state, error as Error)
      }
    else {
      of.onNews(state === 'active' ? 'works' : 'waits')
      if (state === 'active') tellNews(of, job.progress)
    }
  }

  private fail({ task, reject }: Pending, state: string, error: Error): void {
    this.pending.delete(task.name)
    reject(error)
    if (state !== 'completed') void this.unclaim(task.name).catch(() => undefined)
  }

  /** Sweeps that wait for a run: the last one to have its files takes them away. */
  private claims(name: string): string {
    return this.place.key('wanted', name)
  }

  /** @returns whether others still wait for it */
  private async unclaim(name: string): Promise<boolean> {
    await this.place.client.srem(this.claims(name), this.options.who)
    return (await this.place.client.exists(this.claims(name))) === 1
  }

  /** A copy of what the run has left, as a local sweep would have it. */
  private async fetchFiles({ name, id, until }: Task, { weightsSha256 }: RunResult): Promise<void> {
    try {
      const folder = this.options.runFolder(id)
      if ((await weightsHash(folder)) !== weightsSha256) {
        const bytes = await this.store.get(filesName(name), most)
        const files = bytes && unpackRun(bytes, filesName(name))
        const weights = files?.[runFiles.weights]
        if (!files || !weights)
          throw new Error(
            'they are no longer there: another sweep has fetched them, or they are more than a ' +
              'week old, or workers have another --shared than the sweep',
          )
        if (sha256Of(weights) !== weightsSha256)
          throw new Error('they are others than its result says')
        await writeRun(folder, files)
      }
      const isWanted = await this.unclaim(name)
      // The next part of a run that goes on needs them.
      if (!isWanted && until === undefined) await this.store.remove(filesName(name))
    } catch (error) {
      const { message } = error as Error
      this.options.onTrouble(`the files of run ${name} were not fetched: ${message}`)
    }
  }

  private async isUseless(name: string): Promise<boolean> {
    if ((await this.queue.getJobState(name)) === 'failed') return true
    const found = await readJob(this.place, this.queue, name).catch((error: unknown) => error)
    return found instanceof DamagedEntry
  }

  private async submit(of: Pending): Promise<void> {
    const { name } = of.task
    const { client } = this.place
    await client.del(stopKey(this.place, name))
    await client.sadd(this.claims(name), this.options.who)
    await client.expire(this.claims(name), queues.KEPT_SECONDS)
    // One that has failed before is tried again; all others are there already, done or not.
    if (await this.isUseless(name)) await this.queue.remove(name)
    await this.queue.add('run', queues.envelopeOf(RUNS, payloadOf(of.task)), {
      jobId: name,
      attempts: ATTEMPTS,
      backoff: { type: 'exponential', delay: BACKOFF_MS },
      removeOnComplete: { age: queues.KEPT_SECONDS },
      removeOnFail: { age: queues.KEPT_SECONDS },
    })
    of.isThere = true
    await this.look(name)
  }
}

/** The hash of the weights that a run's folder has already. */
async function weightsHash(folder: string): Promise<string | undefined> {
  const bytes = await readRunFile(folder, runFiles.weights).catch(() => undefined)
  return bytes && sha256Of(bytes)
}

/** How far a worker says it is. */
function tellNews(of: Pending, progress: unknown): void {
  const { epoch, epochs, step, steps, testAccuracy = null } = Object(progress) as RunNews
  const counts = { epoch, epochs, step, steps }
  if (!Object.values(counts).every((n) => Number.isSafeInteger(n) && n >= 0)) return
  of.onNews({ ...counts, testAccuracy: Number.isFinite(testAccuracy) ? testAccuracy : null })
}
