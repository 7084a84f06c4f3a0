/**
 * Replicas as jobs in Redis: each round is a flow, whose children train and whose parent takes
 * their changes together. The parent is done here, where the outer step is.
 */

import { randomBytes } from 'node:crypto'
import type { FlowJob, Job, Worker } from 'bullmq'
import { checkOptions, describe, fail, SpikewasmError } from '../../base/errors.js'
import { warn } from '../../engine/platform.js'
import { DamagedEntry, isNoJob, readJob, refuseDamaged } from '../damaged.js'
import { RedisPlace } from '../redis.js'
import {
  type BlobStore,
  DamagedBytes,
  envelopeOf,
  folderStore,
  noteVersion,
  queueOf,
  redisStore,
  whoStandsAside,
} from '../store.js'
import { stopKey, within } from '../worker.js'
import type { RoundsRedis } from './options.js'
import type { Crew, CrewFor, ReplicaResult, ReplicaState, Round } from './replica.js'
import { NO_BYTES, trainingId } from './runner.js'
import { sizesOf } from './vectors.js'
import * as wire from './wire.js'

// What a round does when Redis has lost something of it, and when its process is to end.

/** Redis has lost what it had taken, or holds it damaged: the round is done once more. */
export class Gone extends Error {}

/** Damaged is as good as lost. */
export const orGone = (error: unknown): unknown =>
  error instanceof DamagedEntry ? new Gone(`a job of the round: ${error.message}`) : error

/** Why a replica has no answer. */
export function whyMissing(replica: number, failures: readonly [string, unknown][]): Error {
  const why = failures.map(([, reason]) => String(reason).slice(0, 500))[0]
  if (why === undefined) return new Gone('the job of a replica')
  if (why.includes(NO_BYTES)) return new Gone('the bytes of a round')
  if (isNoJob(why)) return new Gone(`the job of a replica: ${why}`)
  return new SpikewasmError(`replica ${replica} has failed: ${why}`)
}

/** undefined where the signal comes first; what becomes of the work is then nobody's concern. */
export async function unlessEnded<T>(
  work: Promise<T>,
  signal?: AbortSignal,
): Promise<T | undefined> {
  if (!signal) return work
  let end = (): void => {}
  const ended = new Promise<undefined>((resolve) => {
    end = () => resolve(undefined)
    if (signal.aborted) end()
    else signal.addEventListener('abort', end, { once: true })
  })
  try {
    return await Promise.race([work, ended])
  } finally {
    signal.removeEventListener('abort', end)
    work.catch(() => undefined)
  }
}

// When a replica has not ended for so long that another worker does it as well.

/** Seconds for a first round: models are compiled, data are read. */
const FIRST_SECONDS = 600
const LEAST_SECONDS = 30
/** By how much a replica may be slower than all before. */
const SLOWER = 4
/** A replica is given away so often; workers that die are found by their locks, beside that. */
const MOST_COPIES = 8

/** @param longest seconds of the longest round so far; 0 before the first has ended */
export const lateAfter = (longest: number): number =>
  longest > 0 ? Math.max(LEAST_SECONDS, SLOWER * longest) : FIRST_SECONDS

/** Whether one more begins, where so many do it already. */
export const isDue = (seconds: number, bound: number, copies: number): boolean =>
  seconds >= bound * copies && copies <= MOST_COPIES

export interface QueueCrewOptions {
  /** Who hands bytes over; default: Redis. */
  readonly store?: BlobStore
  /** How workers make the model and the data of a job. Default: they have them. */
  readonly options?: Readonly<Record<string, unknown>>
  /**
   * Seconds after which a replica that has not ended is given to another worker as well. Default:
   * 4 times the longest round so far, at least 30; 600 for the first one.
   */
  readonly replaceAfter?: number
  /** Told what is unusual, a line each. */
  onNews?(line: string): void
}

/** @throws SpikewasmError for wrong options, and when there is no such Redis */
export async function openAt(redis: RoundsRedis) {
  if (typeof redis !== 'object' || redis === null || typeof redis.url !== 'string')
    fail(`redis must be an object with url, such as redis://127.0.0.1:6379, got ${describe(redis)}`)
  checkOptions('redis', redis, ['url', 'namespace', 'shared', 'onNews'])
  const { url, namespace, shared } = redis
  const { onNews = (line: string) => warn(line, 'SPIKEWASM_ROUNDS') } = redis
  const store = shared === undefined ? undefined : await folderStore(shared)
  const onTrouble = (problem = 'the connection to Redis is back'): void => onNews(problem)
  const place = await RedisPlace.open(url, { namespace, onTrouble })
  return { place, store, onNews }
}

/** A job that ends in an error which may pass is tried so often. */
const ATTEMPTS = 5
/** How often replicas that are late are looked at. */
const LOOK_MS = 250
/** How often it is looked whether Redis still has a round's jobs. */
const ASK_MS = 2000
/** So often a round is begun once more because Redis has lost something. */
const MOST_TRIES = 20
/** So long an end may take. */
const ENDS_WITHIN_MS = 5000
/** When somebody is told that no worker has come. */
const LONELY_MS = 15_000

/** Whether there is something from the round before. */
const hasState = ({ inner, residual }: ReplicaState): boolean =>
  inner !== undefined || residual !== undefined

/** A round that is being done. */
interface Going {
  readonly round: Round
  /** How often it was begun before. */
  readonly tries: number
  readonly began: number
  /** Jobs of each replica: the first is the flow's child. */
  readonly copies: string[][]
  readonly answers: (wire.ReplicaAnswer | undefined)[]
  resolve(answers: readonly wire.ReplicaAnswer[] | undefined): void
  reject(error: unknown): void
}

export function queueCrew(
  place: RedisPlace,
  of: CrewFor,
  { store = redisStore(place), options, replaceAfter, onNews = () => {} }: QueueCrewOptions = {},
): Crew {
  const { session, rounds, setting } = of
  const { bull, namespace: prefix } = place
  const id = trainingId(setting())
  // Who begins the same run twice at a time disturbs nobody.
  const run = id.setting.slice(0, 12) + randomBytes(6).toString('hex')
  const parents = wire.parentsOf(run)
  const flows = new bull.FlowProducer({ connection: place.connect(), prefix })
  const queue = place.queue(queueOf(wire.ROUNDS))
  const parentQueue = place.queue(parents)
  let going: Going | undefined
  let longest = 0
  /** The last round whose states workers have stored. */
  let stored: number | undefined
  /** The last round that has bytes. */
  let last: number | undefined

  /** A parent's turn comes when all its children have ended, well or not. */
  const gather = async (job: Job): Promise<null> => {
    const now = going
    if (!now || job.id !== idOf(now)) return null
    try {
      await wire.expireParents(place, run, job.id)
      const values = await job.getChildrenValues<unknown>()
      for (const [key, value] of Object.entries(values)) {
        const replica = replicaOf(key)
        if (replica !== undefined) now.answers[replica] ??= wire.answerOfJson(value)
      }
      const failures = Object.entries(await job.getIgnoredChildrenFailures())
      const missing = now.answers.indexOf(undefined)
      if (missing < 0) now.resolve(now.answers as wire.ReplicaAnswer[])
      else now.reject(whyMissing(missing, failures))
    } catch (error) {
      now.reject(error)
    }
    return null
  }
  const worker: Worker = new bull.Worker(parents, gather, {
    ...{ connection: place.connect(), prefix, drainDelay: 2 },
    maxStalledCount: 1000,
  })
  // Without a listener an error of a connection would end the process.
  flows.on('error', () => {})
  refuseDamaged(place, worker, () => {})

  const idOf = ({ round, tries }: Pick<Going, 'round' | 'tries'>): string =>
    `${run}-${round.number}-${tries}`
  const childId = (of: Pick<Going, 'round' | 'tries'>, replica: number, copy: number): string =>
    `${idOf(of)}-${replica}-${copy}`
  const replicaOf = (key: string): number | undefined => {
    const found = new RegExp(`${run}-\\d+-\\d+-(\\d+)-\\d+$`).exec(key)?.[1]
    const replica = Number(found)
    return found !== undefined && replica < rounds.replicas ? replica : undefined
  }

  const dataOf = ({ number, shard, states }: Round, replica: number) =>
    envelopeOf(
      wire.ROUNDS,
      wire.jobToJson({
        ...{ run, round: number, replica, ...id, rounds, shard, options },
        where: store.where,
        begun: hasState(states[replica]),
      }),
    )
  const childOptions = (jobId: string) => ({
    ...{ jobId, attempts: ATTEMPTS, removeOnComplete: true, removeOnFail: true },
    backoff: { type: 'exponential', delay: 500 },
    ignoreDependencyOnFailure: true,
  })

  /** What a round needs is in place before its jobs are. */
  const prepare = async (round: Round, anew: boolean): Promise<void> => {
    const { number, weights, states } = round
    await store.put(wire.names.start(run, number), wire.startToBytes(weights), wire.KEPT_SECONDS)
    // Workers have stored them; who begins once more does not trust that.
    if (stored === number && !anew) return
    for (const [replica, state] of states.entries()) {
      if (!hasState(state)) continue
      const bytes = wire.stateToBytes(state, sizesOf(session))
      await store.put(wire.names.state(run, number, replica), bytes, wire.KEPT_SECONDS)
    }
  }

  const flowOf = (now: Going): FlowJob => ({
    ...{ name: 'round', queueName: parents, prefix, data: {} },
    opts: { jobId: idOf(now), removeOnComplete: true, removeOnFail: true },
    children: now.copies.map(([jobId], replica) => ({
      ...{ name: 'replica', queueName: queueOf(wire.ROUNDS), prefix },
      data: dataOf(now.round, replica),
      opts: childOptions(jobId),
    })),
  })

  /** Gives replicas that are late to another worker, and takes what comes first. */
  const look = async (now: Going): Promise<void> => {
    const seconds = (performance.now() - now.began) / 1000
    const bound = replaceAfter ?? lateAfter(longest)
    // Nobody is late yet, or was.
    if (seconds < bound) return
    for (const [replica, ids] of now.copies.entries()) {
      for (const id of ids.slice(1)) {
        if (now.answers[replica]) break
        const copy = await readJob(place, queue, id)
        const state = await copy?.getState()
        if (state === 'completed') now.answers[replica] = wire.answerOfJson(copy?.returnvalue)
      }
      const first = await readJob(place, queue, ids[0])
      if (now.answers[replica]) {
        // It is here already: nothing waits for the first one any more.
        if (ids.length > 1 && first) {
          await first.removeChildDependency().catch(() => undefined)
          await stop(ids[0])
        }
        continue
      }
      // A job that has ended is removed: its answer is the parent's.
      const isGoing = first !== undefined && (await first.getState()) === 'active'
      if (!isGoing || !isDue(seconds, bound, ids.length)) continue
      const jobId = childId(now, replica, ids.length)
      ids.push(jobId)
      onNews(
        `replica ${replica} of round ${now.round.number + 1} has not ended within ` +
          `${Math.round(seconds)} s; another worker does it as well`,
      )
      await queue.add('replica', dataOf(now.round, replica), {
        ...{ jobId, attempts: ATTEMPTS, removeOnFail: { age: 3600 } },
        removeOnComplete: { age: 3600 },
      })
    }
  }

  const stop = async (id: string): Promise<void> => {
    await place.client.set(stopKey(place, id), '1', 'EX', 3600).catch(() => undefined)
  }

  /** Takes back what is left of a round: jobs that wait, and those that are late. */
  const takeBack = async (now: Going): Promise<void> => {
    for (const id of now.copies.flat()) {
      const state = await queue.getJobState(id)
      if (state === 'active') await stop(id)
      else if (state !== 'unknown') await queue.remove(id).catch(() => undefined)
    }
    await parentQueue.remove(idOf(now)).catch(() => undefined)
  }

  /** What it does when it ends may not wait for a Redis that is gone. */
  const briefly = (work: Promise<unknown>): Promise<void> => within(ENDS_WITHIN_MS, work)

  const drop = async (round: number): Promise<void> => {
    const gone = [wire.names.start(run, round)]
    for (let k = 0; k < rounds.replicas; k++)
      gone.push(wire.names.state(run, round, k), wire.names.change(run, round, k))
    for (const name of gone) await store.remove(name)
  }

  const collect = async (
    { number }: Round,
    answers: readonly wire.ReplicaAnswer[],
  ): Promise<ReplicaResult[]> => {
    const sizes = sizesOf(session)
    const read = async (name: string, length: number): Promise<Uint8Array> => {
      const limit = { bytes: length, of: 'as many as this network has' }
      const bytes = await store.get(name, limit).catch((error: unknown) => {
        if (!(error instanceof DamagedBytes)) throw error
      })
      if (!bytes) throw new Gone(name)
      return bytes
    }
    const length = wire.stateBytes(rounds, sizes)
    const results: ReplicaResult[] = []
    for (const [k, { sums }] of answers.entries()) {
      const change = await read(wire.names.change(run, number, k), wire.sentBytes(rounds, sizes))
      const kept = length > 0 && (await read(wire.names.state(run, number + 1, k), length))
      const state = kept ? wire.stateOfBytes(kept, sizes, rounds) : {}
      results.push({ sent: wire.sentOfBytes(change, sizes, rounds), state, sums })
    }
    return results
  }

  return {
    async round(round) {
      // A Redis that was killed may have lost what it had taken in its last seconds.
      for (let tries = 0; ; tries++)
        try {
          return await once(round, tries)
        } catch (error) {
          if (!(error instanceof Gone)) throw error
          if (tries === MOST_TRIES)
            fail(
              `Redis has lost what was stored in it ${tries + 1} times in a round, at last ` +
                `${error.message}; look at ${
                  store.where === 'folder'
                    ? 'whether all workers have the same folder as --shared'
                    : 'its maxmemory and its disk'
                }, and go on with --resume`,
            )
          onNews(`Redis has lost ${error.message}; round ${round.number + 1} is done once more`)
        }
    },
    async close() {
      const left = last
      const others = [flows, queue, parentQueue]
      if (!place.isConnected) {
        // Nothing can be said to it, and what is left there expires.
        for (const end of [worker.close(true), ...others.map((one) => one.close())])
          end.catch(() => undefined)
        return
      }
      await briefly(worker.close())
      await briefly(parentQueue.obliterate({ force: true }))
      if (left !== undefined) await briefly(drop(left))
      await briefly(Promise.all(others.map((one) => one.close())))
    },
  }

  /** @throws Gone where Redis has lost something of it */
  async function once(round: Round, tries: number): Promise<readonly ReplicaResult[] | undefined> {
    const { number, signal, states } = round
    last = number
    // Without a connection all of this takes as long as it must, and nobody who ends waits for it.
    await unlessEnded(prepare(round, tries > 0), signal)
    if (signal?.aborted) return undefined
    let now: Going | undefined
    let answers: readonly wire.ReplicaAnswer[] | undefined
    try {
      answers = await new Promise((resolve, reject) => {
        const mine: Going = {
          ...{ round, tries, began: performance.now(), resolve, reject },
          copies: states.map((_, k) => [childId({ round, tries }, k, 0)]),
          answers: states.map(() => undefined),
        }
        now = mine
        going = mine
        const onAbort = (): void => resolve(undefined)
        signal?.addEventListener('abort', onAbort, { once: true })
        void watch(mine).finally(() => signal?.removeEventListener('abort', onAbort))
      })
    } finally {
      going = undefined
      // Jobs of a round that was not done, or copies of some that are late.
      if (now && (!answers || now.copies.some((ids) => ids.length > 1)))
        await briefly(takeBack(now))
    }
    if (!answers || !now) return undefined
    const results = await unlessEnded(collect(round, answers), signal)
    if (!results) return undefined
    longest = Math.max(longest, (performance.now() - now.began) / 1000)
    stored = number + 1
    last = stored
    await unlessEnded(drop(number), signal)
    return results
  }

  /** Puts the round's jobs into Redis, and sees to it until it has ended. */
  async function watch(now: Going): Promise<void> {
    try {
      const added = await flows.add(flowOf(now))
      if (added.job.id === undefined) fail('Redis has taken no jobs')
      await wire.expireParents(place, run, added.job.id)
      await noteVersion(place, wire.ROUNDS)
      let told = false
      let asked = performance.now()
      while (going === now) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref())
        if (going !== now) break
        await look(now)
        if (performance.now() - asked > ASK_MS) {
          asked = performance.now()
          const parent = await readJob(place, parentQueue, idOf(now))
          // It ends when this process has done it, which `going` tells.
          if (!parent && going === now) now.reject(new Gone('the jobs of a round'))
        }
        if (!told && performance.now() - now.began > LONELY_MS) {
          told = true
          if ((await queue.getActiveCount()) === 0) {
            const others = await whoStandsAside(place, wire.ROUNDS)
            onNews(
              'no worker has taken a replica yet; start one with spikewasm worker --redis ' +
                place.address.url +
                (others && `; ${others}`),
            )
          }
        }
      }
    } catch (error) {
      now.reject(orGone(error))
    }
  }
}
