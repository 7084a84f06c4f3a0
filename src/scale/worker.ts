/**
 * A worker: it takes jobs of several kinds from Redis, has them done, and renews their locks
 * meanwhile. So what a job computes must run in another process or thread.
 */

import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Job, Worker } from 'bullmq'
import { plainText, SpikewasmError } from '../base/errors.js'
import { refuseDamaged } from './damaged.js'
import { LEFT_OUT, type RedisPlace } from './redis.js'
import {
  type BlobStore,
  type BytesLimit,
  type Json,
  jobsLeftAlone,
  noteModels,
  noteVersion,
  queueOf,
  readEnvelope,
  redisStore,
} from './store.js'

/** What one job may take. */
export interface JobLimits {
  /** MB of 2²⁰ bytes. */
  readonly memoryMB: number
  readonly seconds: number
}

/** Why a job is to end before it is done. */
export type EndReason = 'lock lost' | 'stopped' | 'worker ends' | 'left to others'

/** What a job has at hand. */
export interface JobContext
  extends Pick<WorkerOptions, 'data' | 'cache' | 'models' | 'limits' | 'concurrency'> {
  readonly id: string
  /** 1 for the first. */
  readonly attempt: number
  /** Aborted when the job is to end; its reason is an `EndReason`. */
  readonly signal: AbortSignal
  /** Bytes that other workers see too. */
  readonly store: BlobStore
  /** How many bytes from there: this process holds them too, beside what the job takes. */
  readonly most: BytesLimit
  /** A folder of this job on this machine, which is removed when it ends. */
  readonly scratch: string
  readonly place: RedisPlace
  /** How far it is; only the last one is kept. Never throws. */
  progress(value: { readonly [key: string]: Json }): void
  /** Says something unusual of it, on a line of the worker. */
  tell(line: string): void
}

/** A kind of jobs. */
export interface JobKind<Payload, Result> {
  /** What its jobs say, and the name of their queues. */
  readonly kind: string
  /** Checks what a job says as hostile input. @throws SpikewasmError, and the job is refused */
  check(payload: Json): Payload
  /**
   * Why a job is left to other workers, a line that is told once; undefined: it is not.
   *
   * @param models the worker's own networks, by the SHA-256 of their files
   */
  lacks?(payload: Payload, models: ReadonlyMap<string, string>): string | undefined
  /** @throws SpikewasmError for what no other attempt would mend */
  run(payload: Payload, context: JobContext): Promise<Result>
  /** Clears up behind a job that has ended, well or not; nobody waits for it. */
  ended?(job: EndedJob, place: RedisPlace): Promise<void>
  /** Ends what it has kept for further jobs, such as threads. */
  close?(): Promise<void>
}

/** A job that has ended, as it stands in Redis: nothing of it was checked. */
export interface EndedJob {
  readonly id: string
  readonly data: unknown
  /** The job of a flow that waits for it. */
  readonly parent?: string
  /** Removes what is left of it in Redis. */
  remove(): Promise<void>
}

/** A kind whatever its payload is. */
// biome-ignore lint/suspicious/noExplicitAny: a list of kinds holds any of them.
export type AnyKind = JobKind<any, unknown>

export interface WorkerOptions {
  readonly kinds: readonly AnyKind[]
  /** Jobs of each kind at a time. */
  readonly concurrency: number
  /** Where data sets are on this machine. */
  readonly data?: string
  /** Where pictures that were converted once are kept on this machine. */
  readonly cache?: string
  /** Networks of one's own on this machine: paths by the SHA-256 of their files. */
  readonly models?: ReadonlyMap<string, string>
  readonly limits: JobLimits
  /** Default: Redis. */
  readonly store?: BlobStore
  /** For so long a worker that says nothing is thought to live. Default 30 s. */
  readonly lockMs?: number
  /** Whose jobs it does; default: those of this version. */
  readonly version?: string
  /** Told what happens, a line each. */
  onNews?(line: string): void
  /** Told once of each other version whose jobs it leaves alone. Default: `onNews`. */
  onAside?(line: string): void
}

/** A job comes back so often from workers that died: each time another one goes on with it. */
const MOST_DEATHS = 200
/** How often a job asks whether it was stopped. */
const STOP_MS = 1000

/** So long a job is left alone that a worker cannot do and others can. */
const LEFT_MS = 1000

/** How often it is looked for jobs of other versions, and how long the first look may take. */
const ASIDE_MS = 10_000
const FIRST_LOOK_MS = 2000

/** So long a worker may take to give its jobs back. */
const END_MS = 30_000
/** So long it waits meanwhile for a Redis that is gone, without which nothing can be given back. */
const AWAY_MS = 5000

/** Waits for a promise, but not longer than so; what becomes of it later is nobody's concern. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([promise.catch(() => undefined), late])
  clearTimeout(timer)
}

/**
 * A look at Redis that does nothing while the one before goes on: without a connection an answer
 * takes as long as it must. One that fails is for the next time.
 */
export function oneAtATime(look: () => Promise<void>): () => Promise<void> {
  let looking = false
  return async () => {
    if (looking) return
    looking = true
    await look().catch(() => undefined)
    looking = false
  }
}

/** As `within`, and not longer than `AWAY_MS` while Redis is gone. */
async function withinReach(place: RedisPlace, ms: number, promise: Promise<unknown>) {
  let seen = performance.now()
  let timer: NodeJS.Timeout | undefined
  const gone = new Promise<void>((resolve) => {
    timer = setInterval(() => {
      if (place.isConnected) seen = performance.now()
      else if (performance.now() - seen > AWAY_MS) resolve()
    }, 200)
  })
  await within(ms, Promise.race([promise, gone]))
  clearInterval(timer)
}

/** Half of what a job may take: bytes are here, and where they are needed. */
const shareOf = ({ memoryMB }: JobLimits): BytesLimit => ({
  bytes: Math.floor((memoryMB * 2 ** 20) / 2),
  of: 'half of the memory that a job may take (--memory-limit)',
})

/** The key in Redis that asks to stop a job. */
export const stopKey = (place: RedisPlace, id: string): string => place.key('stop', id)

/** What a worker does now, what it has done, and what it has left to others. */
class Desk {
  done = 0
  closing = false
  readonly active = new Map<string, AbortController>()
  readonly left = new Map<string, Job>()
  /** What was told of jobs that were left. */
  readonly told = new Set<string>()
  /** Folders of jobs, to be removed when the process is ended before them. */
  readonly folders = new Set<string>()
  readonly clear = (): void => {
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true })
  }
}

interface Assignment {
  readonly kind: AnyKind
  readonly job: Job
  /** What the worker is told by the queue, to give the job back. */
  readonly token: string | undefined
}

/** Does a job, and sees to its folder and to its end. */
async function process(
  place: RedisPlace,
  options: WorkerOptions & Pick<JobContext, 'store'>,
  desk: Desk,
  { kind, job, token }: Assignment,
): Promise<unknown> {
  const { id = '' } = job
  const { onNews = () => {} } = options
  const name = `${kind.kind} ${id}`
  const end = new AbortController()
  desk.active.set(name, end)
  const scratch = await mkdtemp(join(tmpdir(), 'spikewasm-job-'))
  desk.folders.add(scratch)
  const ask = async (): Promise<void> => {
    if ((await place.client.exists(stopKey(place, id))) === 1) end.abort('stopped')
  }
  const poll = setInterval(oneAtATime(ask), STOP_MS)
  try {
    // Its entry is too large, so it is looked at when this fails.
    if (id === LEFT_OUT) throw new Error('too much to read')
    if (desk.closing) end.abort('worker ends')
    const payload = kind.check(readEnvelope(job.data, kind.kind))
    leaveOrTake(options, desk, { name, kind, job, payload, end })
    onNews(`${name}: begins, attempt ${job.attemptsMade + 1}`)
    let telling = Promise.resolve()
    const result = await kind.run(payload, {
      ...options,
      id,
      place,
      scratch,
      attempt: job.attemptsMade + 1,
      signal: end.signal,
      most: shareOf(options.limits),
      progress(value) {
        telling = telling.then(() => job.updateProgress(value)).catch(() => undefined)
      },
      tell: (line) => onNews(`${name}: ${line}`),
    })
    await telling
    desk.done++
    onNews(`${name}: done`)
    return result
  } catch (error) {
    const reason = end.signal.aborted ? (end.signal.reason as EndReason) : undefined
    if (reason !== 'left to others') onNews(`${name}: ${reason ?? (error as Error).message}`)
    throw await failureOf(place, job, token, error, reason)
  } finally {
    clearInterval(poll)
    desk.active.delete(name)
    await rm(scratch, { recursive: true, force: true }).catch(() => undefined)
    desk.folders.delete(scratch)
  }
}

/** @throws Error where the job is left to others; that is told once */
function leaveOrTake(
  { models = new Map(), onNews = () => {}, onAside = onNews }: WorkerOptions,
  { left, told }: Desk,
  of: { name: string; kind: AnyKind; job: Job; payload: unknown; end: AbortController },
): void {
  const lack = of.kind.lacks?.(of.payload, models)
  left.delete(of.name)
  if (lack === undefined) return
  left.set(of.name, of.job)
  if (told.size < told.add(lack).size) onAside(lack)
  of.end.abort('left to others')
  throw new Error(lack)
}

/** What the queue is told of a job that was not done. */
async function failureOf(
  { bull }: RedisPlace,
  job: Job,
  token: string | undefined,
  error: unknown,
  reason: EndReason | undefined,
): Promise<unknown> {
  if (reason === 'left to others' || reason === 'worker ends') {
    // Another one goes on with it, and no attempt is counted.
    const ms = reason === 'worker ends' ? 100 : LEFT_MS
    await job.moveToDelayed(Date.now() + ms, token)
    return new bull.DelayedError()
  }
  if (reason === 'stopped') return new bull.UnrecoverableError('stopped')
  return error instanceof SpikewasmError ? new bull.UnrecoverableError(error.message) : error
}

/** Takes jobs of a kind. */
function listen(
  place: RedisPlace,
  { concurrency, lockMs = 30_000, version, onNews = () => {} }: WorkerOptions,
  { active }: Desk,
  kind: AnyKind,
  work: (of: Assignment) => Promise<unknown>,
): Worker {
  const worker = new place.bull.Worker(
    queueOf(kind.kind, version),
    (job, token) => work({ kind, job, token }),
    {
      connection: place.connect(),
      prefix: place.namespace,
      concurrency,
      lockDuration: lockMs,
      stalledInterval: Math.max(500, Math.round(lockMs * 0.6)),
      maxStalledCount: MOST_DEATHS,
      drainDelay: 2,
    },
  )
  // A lost connection is told once, by the place.
  refuseDamaged(place, worker, (id, why) => onNews(`${kind.kind} ${plainText(id, 100)}: ${why}`))
  const ended = (job: Job | undefined): void => {
    if (job?.id === undefined) return
    const { id, data, parent } = job
    const remove = (): Promise<void> => job.remove()
    kind.ended?.({ id, data, parent: parent?.id, remove }, place).catch(() => undefined)
  }
  worker.on('completed', ended)
  worker.on('failed', ended)
  worker.on('lockRenewalFailed', (ids) => {
    for (const id of ids) active.get(`${kind.kind} ${id}`)?.abort('lock lost')
  })
  return worker
}

export async function startWorker(place: RedisPlace, options: WorkerOptions) {
  const { kinds, version } = options
  const own = { ...options, store: options.store ?? redisStore(place) }
  const desk = new Desk()
  const { active, left, folders } = desk
  globalThis.process.once('exit', desk.clear)
  const work = (of: Assignment): Promise<unknown> => process(place, own, desk, of)
  const workers = kinds.map((kind) => listen(place, options, desk, kind, work))
  const queues = kinds.map(({ kind }) => place.queue(queueOf(kind, version)))
  await Promise.all(workers.map((worker) => worker.waitUntilReady()))
  const lookAside = asideOf(place, options)
  await within(FIRST_LOOK_MS, lookAside())
  const aside = setInterval(lookAside, ASIDE_MS)

  return {
    /** Jobs that are being done, and that were done. */
    get active() {
      return active.size
    },
    get done() {
      return desk.done
    },
    /** Whether nothing waits in Redis for any of its kinds, and nothing is being done. */
    async isIdle() {
      if (active.size > 0) return false
      const states = ['waiting', 'active', 'delayed', 'prioritized', 'waiting-children'] as const
      const counts = await Promise.all(queues.map((queue) => queue.getJobCountByTypes(...states)))
      const others = await Promise.all([...left.values()].map((job) => job.isDelayed()))
      const count = counts.reduce((a, b) => a + b, 0) - others.filter((isLeft) => isLeft).length
      return active.size === 0 && count <= 0
    },
    /** Gives active jobs back, which keep their checkpoints, and ends. */
    async close() {
      desk.closing = true
      clearInterval(aside)
      for (const end of active.values()) end.abort('worker ends')
      const ends = Promise.all(workers.map((worker) => worker.close()))
      await withinReach(place, END_MS, ends)
      await within(1000, Promise.all(kinds.map((kind) => kind.close?.())))
      await within(1000, Promise.all(queues.map((queue) => queue.close())))
      if (folders.size === 0) globalThis.process.off('exit', desk.clear)
    },
  }
}

/** Looks for jobs of other versions, and tells of them. */
function asideOf(place: RedisPlace, options: WorkerOptions): () => Promise<void> {
  const { kinds, version, models, onNews = () => {}, onAside = onNews } = options
  const told = new Set<string>()
  return oneAtATime(async () => {
    if (models) await noteModels(place, models.keys(), (3 * ASIDE_MS) / 1000)
    for (const { kind } of kinds) {
      await noteVersion(place, kind, version)
      for (const [other, line] of await jobsLeftAlone(place, kind, version)) {
        if (!told.has(`${kind} ${other}`)) onAside(line)
        told.add(`${kind} ${other}`)
      }
    }
  })
}
