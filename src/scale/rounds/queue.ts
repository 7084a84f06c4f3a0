/**
 * Replicas as jobs in Redis: each round is a flow, whose children train and whose parent takes
 * their changes together. The parent is done here, where the outer step is.
 */

import { randomBytes } from 'node:crypto'
import type { FlowJob, FlowProducer, Job, Queue, Worker } from 'bullmq'
import { checkOptions, describe, fail, SpikewasmError } from '../../base/errors.js'
import { warn } from '../../engine/platform.js'
import { DamagedEntry, isNoJob, readJob, refuseDamaged } from '../damaged.js'
import { RedisPlace } from '../redis.js'
import * as queues from '../store.js'
import { stopKey, within } from '../worker.js'
import type { RoundsRedis } from './options.js'
import type { Crew, CrewFor, ReplicaResult, ReplicaState, Round } from './replica.js'
import { NO_BYTES, type TrainingId, trainingId } from './runner.js'
import { sizesOf } from './vectors.js'
import * as wire from './wire.js'

// What a round does when Redis has lost something of it, and when its process is to end.

/** Redis has lost what it had taken, or holds it damaged: the round is done once more. */
class LostInRedis extends Error {}

/** Damaged is as good as lost. */
const orLost = (error: unknown): unknown =>
  error instanceof DamagedEntry ? new LostInRedis(`a job of the round: ${error.message}`) : error

/** Why a replica has no answer. */
export function whyMissing(replica: number, failures: readonly [string, unknown][]): Error {
  const why = failures.map(([, reason]) => String(reason).slice(0, 500))[0]
  if (why === undefined) return new LostInRedis('the job of a replica')
  if (why.includes(NO_BYTES)) return new LostInRedis('the bytes of a round')
  if (isNoJob(why)) return new LostInRedis(`the job of a replica: ${why}`)
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

export interface RedisCrewOptions {
  /** Who hands bytes over; default: Redis. */
  readonly store?: queues.BlobStore
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
  const store = shared === undefined ? undefined : await queues.folderStore(shared)
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

/** What it does when it ends may not wait for a Redis that is gone. */
const briefly = (work: Promise<unknown>): Promise<void> => within(ENDS_WITHIN_MS, work)

type Answers = readonly wire.ReplicaAnswer[]

/** The jobs of a round in Redis, and what they have answered. */
class RoundJobs {
  /** The parent of the flow. */
  readonly id: string
  private readonly began = performance.now()
  /** Jobs of each replica: the first is the flow's child. */
  private readonly jobs: readonly string[][]
  private readonly answers: (wire.ReplicaAnswer | undefined)[]
  private readonly settled: Promise<Answers>
  private resolve: (answers: Answers) => void = () => {}
  private reject: (error: unknown) => void = () => {}
  private isOver = false

  /** @param tries how often the round was begun before */
  constructor(
    private readonly crew: RedisCrew,
    private readonly round: Round,
    tries: number,
  ) {
    this.id = `${crew.run}-${round.number}-${tries}`
    this.jobs = round.states.map((_, replica) => [`${this.id}-${replica}-0`])
    this.answers = round.states.map(() => undefined)
    this.settled = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
  }

  get seconds(): number {
    return (performance.now() - this.began) / 1000
  }

  /**
   * Puts the jobs into Redis, and waits for their answers.
   *
   * @returns undefined where the round's signal comes first
   * @throws LostInRedis where Redis has lost something of it
   */
  async run(): Promise<Answers | undefined> {
    void this.watch()
    let answers: Answers | undefined
    try {
      answers = await unlessEnded(this.settled, this.round.signal)
      return answers
    } finally {
      this.isOver = true
      // Jobs of a round that was not done, or copies of some that are late.
      if (!answers || this.jobs.some((ids) => ids.length > 1)) await briefly(this.takeBack())
    }
  }

  /** The parent's turn: all its children have ended, well or not. */
  async gather(parent: Job): Promise<void> {
    const { place, run } = this.crew
    try {
      await wire.expireParents(place, run, parent.id)
      const values = await parent.getChildrenValues<unknown>()
      for (const [key, value] of Object.entries(values)) {
        const replica = this.replicaOf(key)
        if (replica !== undefined) this.answers[replica] ??= wire.answerOfJson(value)
      }
      const failures = Object.entries(await parent.getIgnoredChildrenFailures())
      const missing = this.answers.indexOf(undefined)
      if (missing < 0) this.resolve(this.answers as wire.ReplicaAnswer[])
      else this.reject(whyMissing(missing, failures))
    } catch (error) {
      this.reject(error)
    }
  }

  private replicaOf(key: string): number | undefined {
    const replica = new RegExp(`${this.crew.run}-\\d+-\\d+-(\\d+)-\\d+$`).exec(key)?.[1]
    return replica !== undefined && Number(replica) < this.jobs.length ? Number(replica) : undefined
  }

  private get flow(): FlowJob {
    const { parents, place } = this.crew
    const prefix = place.namespace
    return {
      name: 'round',
      queueName: parents.name,
      prefix,
      data: {},
      opts: { jobId: this.id, removeOnComplete: true, removeOnFail: true },
      children: this.jobs.map(([jobId], replica) => ({
        name: 'replica',
        queueName: queues.queueOf(wire.ROUNDS),
        prefix,
        data: this.crew.dataOf(this.round, replica),
        opts: {
          jobId,
          attempts: ATTEMPTS,
          backoff: { type: 'exponential', delay: 500 },
          removeOnComplete: true,
          removeOnFail: true,
          ignoreDependencyOnFailure: true,
        },
      })),
    }
  }

  /** Puts the jobs into Redis, and sees to them until the round has ended. */
  private async watch(): Promise<void> {
    const { place, run, flows, parents } = this.crew
    try {
      const added = await flows.add(this.flow)
      if (added.job.id === undefined) fail('Redis has taken no jobs')
      await wire.expireParents(place, run, added.job.id)
      await queues.noteVersion(place, wire.ROUNDS)
      let isLonely = false
      let asked = performance.now()
      while (!this.isOver) {
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS).unref())
        if (this.isOver) break
        await this.copyLate()
        if (performance.now() - asked > ASK_MS) {
          asked = performance.now()
          const parent = await readJob(place, parents, this.id)
          // It ends when this process has done it.
          if (!parent && !this.isOver) this.reject(new LostInRedis('the jobs of a round'))
        }
        if (!isLonely && performance.now() - this.began > LONELY_MS) {
          isLonely = true
          await this.tellWhetherLonely()
        }
      }
    } catch (error) {
      this.reject(orLost(error))
    }
  }

  private async tellWhetherLonely(): Promise<void> {
    const { place, queue, onNews, networks } = this.crew
    if ((await queue.getActiveCount()) !== 0) return
    const more = [
      await queues.whatIsLacking(place, networks),
      await queues.whoStandsAside(place, wire.ROUNDS),
    ]
    const start = `start one with spikewasm worker --redis ${place.address.url}`
    const parts = ['no worker has taken a replica yet', start, ...more]
    onNews(parts.filter((part) => part !== '').join('; '))
  }

  /** Gives replicas that are late to another worker, and takes what comes first. */
  private async copyLate(): Promise<void> {
    const { place, queue } = this.crew
    const { seconds } = this
    const bound = this.crew.lateAfter
    // Nobody is late yet, or was.
    if (seconds < bound) return
    for (const [replica, ids] of this.jobs.entries()) {
      for (const id of ids.slice(1)) {
        if (this.answers[replica]) break
        const copy = await readJob(place, queue, id)
        const state = await copy?.getState()
        if (state === 'completed') this.answers[replica] = wire.answerOfJson(copy?.returnvalue)
      }
      const first = await readJob(place, queue, ids[0])
      if (this.answers[replica]) {
        // It is here already: nothing waits for the first one any more.
        if (ids.length > 1 && first) {
          await first.removeChildDependency().catch(() => undefined)
          await this.stop(ids[0])
        }
        continue
      }
      // A job that has ended is removed: its answer is the parent's.
      const isActive = first !== undefined && (await first.getState()) === 'active'
      if (isActive && isDue(seconds, bound, ids.length)) await this.copy(replica, seconds)
    }
  }

  private async copy(replica: number, seconds: number): Promise<void> {
    const ids = this.jobs[replica]
    const jobId = `${this.id}-${replica}-${ids.length}`
    ids.push(jobId)
    this.crew.onNews(
      `replica ${replica} of round ${this.round.number + 1} has not ended within ` +
        `${Math.round(seconds)} s; another worker does it as well`,
    )
    await this.crew.queue.add('replica', this.crew.dataOf(this.round, replica), {
      jobId,
      attempts: ATTEMPTS,
      removeOnFail: { age: 3600 },
      removeOnComplete: { age: 3600 },
    })
  }

  private async stop(id: string): Promise<void> {
    const { place } = this.crew
    await place.client.set(stopKey(place, id), '1', 'EX', 3600).catch(() => undefined)
  }

  /** Takes back what is left of a round: jobs that wait, and those that are late. */
  private async takeBack(): Promise<void> {
    const { queue, parents } = this.crew
    for (const id of this.jobs.flat()) {
      const state = await queue.getJobState(id)
      if (state === 'active') await this.stop(id)
      else if (state !== 'unknown') await queue.remove(id).catch(() => undefined)
    }
    await parents.remove(this.id).catch(() => undefined)
  }
}

/** Replicas that workers at a Redis train. */
export class RedisCrew implements Crew {
  /** Who begins the same run twice at a time disturbs nobody. */
  readonly run: string
  readonly flows: FlowProducer
  readonly queue: Queue
  readonly parents: Queue
  readonly onNews: (line: string) => void
  private readonly id: TrainingId
  private readonly store: queues.BlobStore
  private readonly worker: Worker
  private jobs: RoundJobs | undefined
  private longestSeconds = 0
  /** The last round whose states workers have stored. */
  private stored: number | undefined
  /** The last round that has bytes. */
  private last: number | undefined

  constructor(
    readonly place: RedisPlace,
    private readonly of: CrewFor,
    private readonly options: RedisCrewOptions = {},
  ) {
    const { bull, namespace: prefix } = place
    this.id = trainingId(of.setting())
    this.run = this.id.setting.slice(0, 12) + randomBytes(6).toString('hex')
    this.store = options.store ?? queues.redisStore(place)
    this.onNews = options.onNews ?? (() => {})
    this.flows = new bull.FlowProducer({ connection: place.connect(), prefix })
    this.queue = place.queue(queues.queueOf(wire.ROUNDS))
    this.parents = place.queue(wire.parentsOf(this.run))
    const gather = async (job: Job): Promise<null> => {
      if (job.id === this.jobs?.id) await this.jobs?.gather(job)
      return null
    }
    this.worker = new bull.Worker(this.parents.name, gather, {
      connection: place.connect(),
      prefix,
      drainDelay: 2,
      maxStalledCount: 1000,
    })
    // Without a listener an error of a connection would end the process.
    this.flows.on('error', () => {})
    refuseDamaged(place, this.worker, () => {})
  }

  /** Seconds after which a replica is late. */
  get lateAfter(): number {
    return this.options.replaceAfter ?? lateAfter(this.longestSeconds)
  }

  /** The network of the run's own that workers must have, if it has one. */
  get networks(): readonly queues.OwnNetwork[] {
    const { model, modelSha256 } = this.options.options ?? {}
    return modelSha256 === undefined ? [] : [{ name: `${model}`, sha256: `${modelSha256}` }]
  }

  /** The data of a replica's job. */
  dataOf({ number, shard, states }: Round, replica: number) {
    const { run, id, store } = this
    return queues.envelopeOf(
      wire.ROUNDS,
      wire.jobToJson({
        run,
        round: number,
        replica,
        ...id,
        rounds: this.of.rounds,
        shard,
        options: this.options.options,
        where: store.where,
        begun: hasState(states[replica]),
      }),
    )
  }

  async round(round: Round): Promise<readonly ReplicaResult[] | undefined> {
    // A Redis that was killed may have lost what it had taken in its last seconds.
    for (let tries = 0; ; tries++)
      try {
        return await this.attempt(round, tries)
      } catch (error) {
        if (!(error instanceof LostInRedis)) throw error
        if (tries === MOST_TRIES)
          fail(
            `Redis has lost what was stored in it ${tries + 1} times in a round, at last ` +
              `${error.message}; look at ${
                this.store.where === 'folder'
                  ? 'whether all workers have the same folder as --shared'
                  : 'its maxmemory and its disk'
              }, and go on with --resume`,
          )
        this.onNews(`Redis has lost ${error.message}; round ${round.number + 1} is done once more`)
      }
  }

  async close(): Promise<void> {
    const { worker, parents, last } = this
    const others = [this.flows, this.queue, parents]
    if (!this.place.isConnected) {
      // Nothing can be said to it, and what is left there expires.
      for (const end of [worker.close(true), ...others.map((one) => one.close())])
        end.catch(() => undefined)
      return
    }
    await briefly(worker.close())
    await briefly(parents.obliterate({ force: true }))
    if (last !== undefined) await briefly(this.drop(last))
    await briefly(Promise.all(others.map((one) => one.close())))
  }

  /** @throws LostInRedis where Redis has lost something of the round */
  private async attempt(
    round: Round,
    tries: number,
  ): Promise<readonly ReplicaResult[] | undefined> {
    const { number, signal } = round
    this.last = number
    // Without a connection all of this takes as long as it must, and nobody who ends waits for it.
    await unlessEnded(this.prepare(round, tries > 0), signal)
    if (signal?.aborted) return undefined
    const jobs = new RoundJobs(this, round, tries)
    this.jobs = jobs
    const answers = await jobs.run().finally(() => {
      this.jobs = undefined
    })
    const results = answers && (await unlessEnded(this.collect(round, answers), signal))
    if (!results) return undefined
    this.longestSeconds = Math.max(this.longestSeconds, jobs.seconds)
    this.stored = number + 1
    this.last = this.stored
    await unlessEnded(this.drop(number), signal)
    return results
  }

  /** What a round needs is in place before its jobs are. */
  private async prepare({ number, weights, states }: Round, anew: boolean): Promise<void> {
    const { store, run } = this
    await store.put(wire.names.start(run, number), wire.startToBytes(weights), wire.KEPT_SECONDS)
    // Workers have stored them; who begins once more does not trust that.
    if (this.stored === number && !anew) return
    for (const [replica, state] of states.entries()) {
      if (!hasState(state)) continue
      const bytes = wire.stateToBytes(state, sizesOf(this.of.session))
      await store.put(wire.names.state(run, number, replica), bytes, wire.KEPT_SECONDS)
    }
  }

  private async collect({ number }: Round, answers: Answers): Promise<ReplicaResult[]> {
    const { run } = this
    const { session, rounds } = this.of
    const sizes = sizesOf(session)
    const length = wire.stateBytes(rounds, sizes)
    const results: ReplicaResult[] = []
    for (const [k, { sums }] of answers.entries()) {
      const sent = await this.read(wire.names.change(run, number, k), wire.sentBytes(rounds, sizes))
      const state = length > 0 && (await this.read(wire.names.state(run, number + 1, k), length))
      results.push({
        sent: wire.sentOfBytes(sent, sizes, rounds),
        state: state ? wire.stateOfBytes(state, sizes, rounds) : {},
        sums,
      })
    }
    return results
  }

  private async read(name: string, length: number): Promise<Uint8Array> {
    const limit = { bytes: length, of: 'as many as this network has' }
    const bytes = await this.store.get(name, limit).catch((error: unknown) => {
      if (!(error instanceof queues.DamagedBytes)) throw error
    })
    if (!bytes) throw new LostInRedis(name)
    return bytes
  }

  /** Removes the bytes of a round. */
  private async drop(round: number): Promise<void> {
    const { run, store } = this
    await store.remove(wire.names.start(run, round))
    for (let k = 0; k < this.of.rounds.replicas; k++) {
      await store.remove(wire.names.state(run, round, k))
      await store.remove(wire.names.change(run, round, k))
    }
  }
}
