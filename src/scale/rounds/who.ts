/** Who does the replicas' work of a round. */

import type { Dataset } from '../../data/dataset.js'
import type * as host from '../../host.js'
import type { Session } from '../../runtime/session.js'
import type { Setting } from '../../train/snapshot.js'
import type { RoundsSetting } from './options.js'
import {
  batchesOf,
  type ReplicaResult,
  type ReplicaState,
  type Shard,
  trainReplica,
} from './replica.js'
import type { Weights } from './vectors.js'

/** A round that is to be done. */
export interface Round {
  /** Counted through all epochs of the run; rounds that are done again have the same number. */
  readonly number: number
  readonly weights: Weights
  /** Of each replica, from the round before. */
  readonly states: readonly ReplicaState[]
  readonly shard: Shard
  readonly signal?: host.AbortSignal
}

/** Trains all replicas of a round, here or elsewhere. */
export interface Crew {
  /**
   * All replicas' results, in their order; undefined where the signal has ended it.
   *
   * @throws what a replica cannot go on from
   */
  round(round: Round): Promise<readonly ReplicaResult[] | undefined>
  close(): Promise<void>
}

/** What a crew is made for. */
export interface CrewFor {
  readonly session: Session
  readonly data: Dataset
  readonly rounds: RoundsSetting
  /** All that the training's numbers depend on. */
  readonly setting: () => Setting
}

/** Replicas on the model's own threads, one after the other. */
export function localCrew({ session, data, rounds }: CrewFor): Crew {
  const batches = batchesOf(session, data)
  return {
    async round({ weights, states, shard, signal }) {
      const results: ReplicaResult[] = []
      for (const [k, state] of states.entries()) {
        const of = { session, batches, rounds, signal }
        const result = await trainReplica(of, k, weights, state, shard)
        if (!result) return undefined
        results.push(result)
      }
      return results
    },
    close: async () => undefined,
  }
}
