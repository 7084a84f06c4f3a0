/** The kind of jobs that replicas are, for a worker. */

import { fail } from '../../errors.js'
import type { Json } from '../jobs.js'
import { type BytesLimit, DamagedBytes } from '../store.js'
import { type JobContext, type JobKind, stopKey } from '../worker.js'
import type { ReplicaBytes, ReplicaDone } from './runner.js'
import * as wire from './wire.js'

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
    context: Pick<JobContext, 'signal' | 'limits' | 'data' | 'cache'>,
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
