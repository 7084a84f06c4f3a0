/**
 * A worker: it takes jobs of several kinds from Redis, has them done, and renews their locks
 * meanwhile. So what a job computes must run in another process or thread.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job, Worker } from 'bullmq'
import { SpikewasmError } from '../errors.js'
import { type Json, readEnvelope } from './jobs.js'
import type { RedisPlace } from './redis.js'
import { type BlobStore, redisStore } from './store.js'

/** What one job may take. */
export interface JobLimits {
  /** MB of 2²⁰ bytes. */
  readonly memoryMB: number
  readonly seconds: number
}

/** Why a job is to end before it is done. */
export type EndReason = 'lock lost' | 'stopped' | 'worker ends'

/** What a job has at hand. */
export interface JobContext {
  readonly id: string
  /** 1 for the first. */
  readonly attempt: number
  /** Aborted when the job is to end; its reason is an `EndReason`. */
  readonly signal: AbortSignal
  /** Bytes that other workers see too. */
  readonly store: BlobStore
  /** A folder of this job on this machine, which is removed when it ends. */
  readonly scratch: string
  /** Where data sets are on this machine. */
  readonly data?: string
  readonly limits: JobLimits
  /** Jobs that this worker does at a time. */
  readonly concurrency: number
  readonly place: RedisPlace
  /** How far it is; only the last one is kept. Never throws. */
  progress(value: { readonly [key: string]: Json }): void
  /** Of a flow: results of the jobs that this one has waited for, by their keys in Redis. */
  children(): Promise<Readonly<Record<string, unknown>>>
}

/** A kind of jobs. */
export interface JobKind<Payload, Result> {
  /** The queue's name. */
  readonly kind: string
  /** Checks what a job says as hostile input. @throws SpikewasmError, and the job is refused */
  check(payload: Json): Payload
  /** @throws SpikewasmError for what no other attempt would mend */
  run(payload: Payload, context: JobContext): Promise<Result>
}

/** A kind whatever its payload is. */
// biome-ignore lint/suspicious/noExplicitAny: a list of kinds holds any of them.
export type AnyKind = JobKind<any, unknown>

export interface WorkerOptions {
  readonly kinds: readonly AnyKind[]
  /** Jobs of each kind at a time. */
  readonly concurrency: number
  readonly data?: string
  readonly limits: JobLimits
  /** Default: Redis. */
  readonly store?: BlobStore
  /** For so long a worker that says nothing is thought to live. Default 30 s. */
  readonly lockMs?: number
  /** Told what happens, a line each. */
  onNews?(line: string): void
}

export interface RunningWorker {
  /** Jobs that are being done. */
  readonly active: number
  /** Jobs that were done. */
  readonly done: number
  /** Whether nothing waits in Redis for any of its kinds, and nothing is being done. */
  isIdle(): Promise<boolean>
  /** Gives active jobs back, which keep their checkpoints, and ends. */
  close(): Promise<void>
}

/** A job comes back so often from workers that died: each time another one goes on with it. */
const MOST_DEATHS = 200
/** How often a job asks whether it was stopped. */
const STOP_MS = 1000

/** Without a connection nothing can be given back: then a worker ends all the same. */
const END_MS = 30_000

/** Waits for a promise, but not longer than so; what becomes of it later is nobody's concern. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise.catch(() => undefined), late])
  clearTimeout(timer)
}

/** The key in Redis that asks to stop a job. */
export const stopKey = (place: RedisPlace, id: string): string => place.key('stop', id)

export async function startWorker(
  place: RedisPlace,
  options: WorkerOptions,
): Promise<RunningWorker> {
  const { kinds, concurrency, lockMs = 30_000, onNews = () => {} } = options
  const { bull, namespace: prefix } = place
  const store = options.store ?? redisStore(place)
  const active = new Map<string, AbortController>()
  let [done, closing] = [0, false]

  const process = async (kind: AnyKind, job: Job, token: string | undefined): Promise<unknown> => {
    const id = job.id ?? ''
    const name = `${kind.kind} ${id}`
    const end = new AbortController()
    active.set(`${kind.kind} ${id}`, end)
    const scratch = await mkdtemp(join(tmpdir(), 'spikewasm-job-'))
    let asking = false
    const poll = setInterval(async () => {
      // Without a connection the answer takes as long as it must.
      if (asking) return
      asking = true
      if ((await place.client.exists(stopKey(place, id)).catch(() => 0)) === 1) end.abort('stopped')
      asking = false
    }, STOP_MS)
    let telling = Promise.resolve()
    try {
      if (closing) end.abort('worker ends')
      const payload = kind.check(readEnvelope(job.data, kind.kind))
      onNews(`${name}: begins, attempt ${job.attemptsMade + 1}`)
      const { data, limits } = options
      const result = await kind.run(payload, {
        ...{ id, attempt: job.attemptsMade + 1, signal: end.signal, store, scratch, data, limits },
        ...{ place, concurrency },
        progress(value) {
          telling = telling.then(() => job.updateProgress(value)).catch(() => undefined)
        },
        children: () => job.getChildrenValues(),
      })
      await telling
      done++
      onNews(`${name}: done`)
      return result
    } catch (error) {
      const reason = end.signal.aborted ? (end.signal.reason as EndReason) : undefined
      onNews(`${name}: ${reason ?? (error as Error).message}`)
      if (reason === 'worker ends') {
        // Another one goes on with it, and no attempt is counted.
        await job.moveToDelayed(Date.now() + 100, token)
        throw new bull.DelayedError()
      }
      if (reason === 'stopped') throw new bull.UnrecoverableError('stopped')
      if (error instanceof SpikewasmError) throw new bull.UnrecoverableError(error.message)
      throw error
    } finally {
      clearInterval(poll)
      active.delete(`${kind.kind} ${id}`)
      await rm(scratch, { recursive: true, force: true }).catch(() => undefined)
    }
  }

  const workers = kinds.map((kind): Worker => {
    const worker = new bull.Worker(kind.kind, (job, token) => process(kind, job, token), {
      ...{ connection: place.connect(), prefix, concurrency },
      lockDuration: lockMs,
      stalledInterval: Math.max(500, Math.round(lockMs * 0.6)),
      maxStalledCount: MOST_DEATHS,
      drainDelay: 2,
    })
    // A lost connection is told once, by the place.
    worker.on('error', () => {})
    worker.on('lockRenewalFailed', (ids) => {
      for (const id of ids) active.get(`${kind.kind} ${id}`)?.abort('lock lost')
    })
    return worker
  })
  const queues = kinds.map(({ kind }) => {
    const queue = new bull.Queue(kind, { connection: place.connect(), prefix })
    queue.on('error', () => {})
    return queue
  })
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))

  return {
    get active() {
      return active.size
    },
    get done() {
      return done
    },
    async isIdle() {
      if (active.size > 0) return false
      const states = ['waiting', 'active', 'delayed', 'prioritized', 'waiting-children'] as const
      const counts = await Promise.all(queues.map((queue) => queue.getJobCountByTypes(...states)))
      return active.size === 0 && counts.every((count) => count === 0)
    },
    async close() {
      closing = true
      for (const end of active.values()) end.abort('worker ends')
      await within(END_MS, Promise.all(workers.map((worker) => worker.close())))
      await within(1000, Promise.all(queues.map((queue) => queue.close())))
    },
  }
}
