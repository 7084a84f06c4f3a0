/** A model and data that do jobs of replicas, one at a time. */

import { createHash } from 'node:crypto'
import { fail, SpikewasmError } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { alone } from '../../engine/threads/calls.js'
import type { Model } from '../../model/model.js'
import { prepareFingerprint } from '../../train/fingerprint.js'
import { checkedFit, planFit } from '../../train/fit.js'
import type { FitOptions } from '../../train/options.js'
import { identityOf, type Setting, settingOf } from '../../train/snapshot.js'
import { type BytesLimit, canonical, DamagedBytes, type Json } from '../store.js'
import { type JobContext, type JobKind, stopKey } from '../worker.js'
import type { RoundsSetting } from './options.js'
import { batchesOf, trainReplica } from './replica.js'
import { sizesOf } from './vectors.js'
import * as wire from './wire.js'
import { type ReplicaJob, sentToBytes, startOfBytes, stateOfBytes, stateToBytes } from './wire.js'

/** The bytes that a job reads. */
export interface ReplicaBytes {
  readonly start: Uint8Array
  /** Absent in the first round. */
  readonly state?: Uint8Array
}

/** @param found parts of the job's training; anybody may have written them */
function otherTraining(found: TrainingId['parts'], own: TrainingId['parts']): SpikewasmError {
  const names = Object.keys(own).filter((name) => found[name] !== own[name])
  // Names that are the job's alone are not repeated.
  const what = names.length > 0 ? names.join(', ') : 'an option that this worker has not'
  return new SpikewasmError(
    `the job's training must be the one of this worker, got one that differs in ${what}; give ` +
      'both sides the same data set, in the same order, and the same options',
  )
}

/** What tells a training apart. */
export type TrainingId = Readonly<ReturnType<typeof trainingId>>

export function trainingId(setting: Setting) {
  const identity = identityOf(setting)
  const hashOf = (value: unknown): string =>
    createHash('sha256').update(canonical(value)).digest('hex')
  const parts = Object.entries(identity).flatMap(([name, part]) =>
    name === 'data' || name === 'validation'
      ? Object.entries(Object(part)).map(([key, of]) => [`${name}.${key}`, of])
      : [[name, part]],
  )
  return {
    /** All that its numbers depend on, in 64 hexadecimal digits. */
    setting: hashOf(identity),
    /** The same of each part, in 8: who has another setting can say where it differs. */
    parts: Object.fromEntries(parts.map(([name, of]) => [name, hashOf(of).slice(0, 8)])),
  }
}

/**
 * A model that does jobs of a training.
 *
 * @param options as `fitRounds` is given them
 * @throws SpikewasmError for data or options that don't match
 */
export async function openRunner(
  model: Model,
  all: Dataset,
  options: FitOptions,
  rounds: RoundsSetting,
) {
  const { session } = model
  const locked = <T>(body: () => Promise<T>): Promise<T> => alone(session, [], body, false)
  const { id, batches } = await locked(async () => {
    const { data, asked } = checkedFit(session, all, options, rounds)
    await planFit(session, asked)
    session.optimizer = asked.optimizer
    await session.lock.ask(() => prepareFingerprint(data))
    await session.lock.ask(() => prepareFingerprint(asked.validation))
    return { id: trainingId(settingOf(session, data, asked)), batches: batchesOf(session, data) }
  })
  return {
    model,
    id,
    /**
     * @returns undefined where the signal has ended it
     * @throws SpikewasmError for another training's job, for bytes that are none of it, and when
     *   numbers are not finite
     */
    async run(job: ReplicaJob, { start, state }: ReplicaBytes, signal?: AbortSignal) {
      if (job.setting !== id.setting) throw otherTraining(job.parts, id.parts)
      const steps = job.shard.first + job.shard.rates.length
      if (steps * rounds.replicas > batches.length)
        fail(
          `the job of a replica must end within the epoch's ${batches.length} batches, got step ` +
            `${steps} of ${rounds.replicas} replicas`,
        )
      const sizes = sizesOf(session)
      const weights = startOfBytes(start, sizes)
      const before = state ? stateOfBytes(state, sizes, rounds) : {}
      const of = { session, batches, rounds, signal }
      return locked(async () => {
        const done = await trainReplica(of, job.replica, weights, before, job.shard)
        if (!done) return undefined
        const { sent, sums } = done
        return { sent: sentToBytes(sent), state: stateToBytes(done.state, sizes), sums }
      })
    },
  }
}

export type Runner = Awaited<ReturnType<typeof openRunner>>

/** What a job gives. */
export type ReplicaDone = NonNullable<Awaited<ReturnType<Runner['run']>>>

// The kind of jobs that replicas are, for a worker.

/** What a job says whose bytes are gone; the run then stores them again. */
export const NO_BYTES = 'there are no such bytes'

/** Who trains for a worker, off the thread that renews locks. */
export interface ReplicaHost {
  /** How many bytes a job may have in all, where the host knows. */
  readonly most?: BytesLimit
  /** @returns undefined where the signal has ended it */
  run(
    job: wire.ReplicaJob,
    bytes: ReplicaBytes,
    context: Pick<JobContext, 'signal' | 'limits' | 'data' | 'cache' | 'models'>,
  ): Promise<ReplicaDone | undefined>
  close(): Promise<void>
}

export function roundsKind(host: ReplicaHost): JobKind<wire.ReplicaJob, Json> {
  return {
    kind: wire.ROUNDS,
    check: wire.jobOfJson,
    close: () => host.close(),
    async run(job, context) {
      const { store, signal } = context
      const most = host.most ?? context.most
      const { run, round, replica, begun } = job
      if (job.where !== store.where) fail(otherPlace(job.where))
      let start: Uint8Array | undefined
      const read = async (name: string): Promise<Uint8Array> => {
        // Both are here at a time.
        const left = most.bytes - (start?.length ?? 0)
        const bytes = await store.get(name, { ...most, bytes: left }).catch((error: unknown) => {
          if (!(error instanceof DamagedBytes)) throw error
          fail(`${name}: ${NO_BYTES} as were stored: ${error.message}`)
        })
        if (bytes) return bytes
        fail(`${name}: ${NO_BYTES}: the run has ended, or Redis has lost them`)
      }
      start = await read(wire.names.start(run, round))
      const state = begun ? { state: await read(wire.names.state(run, round, replica)) } : {}
      const done = await host.run(job, { start, ...state }, context)
      if (!done) throw new Error(String(signal.reason ?? 'ended'))
      // The same bytes whoever writes them, and however often.
      if (done.state.length > 0)
        await store.put(wire.names.state(run, round + 1, replica), done.state, wire.KEPT_SECONDS)
      await store.put(wire.names.change(run, round, replica), done.sent, wire.KEPT_SECONDS)
      return { sums: done.sums } as unknown as Json
    },
    async ended({ id, data, parent, remove }, place) {
      const run = wire.runOfJob(data)
      if (run === undefined) return
      // Whoever waits for it may be dead.
      await wire.expireParents(place, run, parent?.startsWith(run) ? parent : undefined)
      // A copy that came too late: its round goes on without it.
      if ((await place.client.exists(stopKey(place, id))) === 1) await remove()
    },
  }
}

const otherPlace = (where: 'redis' | 'folder'): string =>
  where === 'folder'
    ? 'the run hands weights over in a folder (--shared), and this worker does so in Redis; give ' +
      'the worker the same --shared, or the run none'
    : 'the run hands weights over in Redis, and this worker does so in a folder (--shared); give ' +
      'both the same --shared, or none'
