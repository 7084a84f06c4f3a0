/**
 * What one replica does in a round. The result is a pure function of the weights that the round
 * begins with, of the replica's own state of the last round, and of its shard, so it is the same
 * bits on any machine, and when it is done twice.
 */

import { fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { Batches } from '../../data/batches.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { expectSeveral, firingRates } from '../../engine/memory/arena.js'
import { nonFinite } from '../../engine/run/non-finite.js'
import { runStep } from '../../engine/run/passes.js'
import { addSums, type EpochSums, noSums, rightOf } from '../../engine/run/progress.js'
import { type StepState, stepStateOf } from '../../engine/run/update.js'
import type { Session } from '../../engine/session.js'
import { breathe } from '../../engine/threads/breathe.js'
import { runsHere } from '../../engine/threads/processors.js'
import * as v from '../../engine/vendor/valibot/index.js'
import type { Callback } from '../../train/callback.js'
import { keptAs } from '../../train/callback-state.js'
import type { StepRate } from '../../train/comparable-lr.js'
import { fillAhead, fillBatch } from '../../train/evaluate.js'
import type { Setting } from '../../train/snapshot.js'
import { MOST_REPLICAS, type RoundsSetting } from './options.js'
import type { Sent } from './vectors.js'
import * as vectors from './vectors.js'

/** What a replica keeps from round to round; what is absent is as at the beginning. */
export interface ReplicaState {
  /** Absent with `innerState: 'reset'`. */
  readonly inner?: vectors.Inner
  /** [P], with error feedback. */
  readonly residual?: Float32Array
}

/** Which part of a training a replica does. */
export interface Shard {
  /** The epoch, counted from 0: its permutation of the samples. */
  readonly epoch: number
  /** The first step of the round, counted within the epoch. */
  readonly first: number
  /** The learning rate of each step; there are as many steps. */
  readonly rates: readonly StepRate[]
  /** Training steps of all replicas before the round: random numbers depend on it. */
  readonly steps: number
  readonly clipNorm?: number
}

export interface ReplicaResult {
  readonly sent: Sent
  readonly state: ReplicaState
  readonly sums: EpochSums
}

/** Batches of a data set, in the order of each epoch; batch s·K + k is replica k's at step s. */
export const batchesOf = (session: Session, data: Dataset): Batches => {
  const { batchSize, seed } = session
  return new Batches(data, { batchSize, seed, training: true, dropLast: true }, 'slots')
}

/** Steps of an epoch. What is left behind the last of all replicas is left out. */
export const stepsOf = (batches: number, replicas: number): number => Math.floor(batches / replicas)

/**
 * Trains one replica for a round. Whoever calls it holds the model's lock; the session's weights
 * and optimizer are those of the replica behind it.
 *
 * @returns undefined where the signal has ended it
 * @throws SpikewasmError when the loss or a gradient is not finite
 */
export async function trainReplica(
  { session, rounds, batches, signal }: TrainedWith,
  replica: number,
  weights: vectors.Weights,
  state: ReplicaState,
  shard: Shard,
): Promise<ReplicaResult | undefined> {
  const { replicas, compress, innerState } = rounds
  const { epoch, first, rates } = shard
  vectors.takeWeights(session, weights)
  vectors.takeInner(session, state.inner)
  session.clipNorm = shard.clipNorm
  session.ema = 0
  batches.startEpoch(epoch)
  const batchAt = (i: number): number => (first + i) * replicas + replica
  const fill = (i: number): Promise<number> =>
    fillBatch(session, batches, batchAt(i), (i & 1) as 0 | 1)
  const sums = noSums()
  let count = await fill(0)
  for (let i = 0; i < rates.length; i++) {
    if (signal?.aborted) return undefined
    const slot = (i & 1) as 0 | 1
    const { learningRate, factor } = rates[i]
    // Each step of each replica draws its own numbers.
    session.steps = shard.steps + i * replicas + replica
    expectSeveral(session.plan, count)
    const running = runStep(session, 'train', slot, count, learningRate, factor)
    const filling = fillAhead(session, rates.length, i + 1, running, () => fill(i + 1))
    const [{ loss, count: seen, ...result }, next] = await filling
    count = next
    const problem = await nonFinite(session, slot)
    if (problem !== undefined)
      fail(`step ${first + i + 1} of epoch ${epoch + 1}, replica ${replica}: ${problem}`)
    const found = firingRates(session, session.lastRun)
    addSums(sums, { steps: 1, loss, ...rightOf(result, seen), seen, rates: found })
    if (runsHere(session.workersOf('train'))) await breathe()
  }
  const after = vectors.weightsOf(session)
  const sizes = vectors.sizesOf(session)
  const [from, to] = [weights.parameters, after.parameters]
  const { bytes, residual } = vectors.encode(compress, sizes, from, to, state.residual)
  const inner = innerState === 'keep' ? vectors.innerOf(session) : undefined
  const sent = { change: bytes, statistics: after.statistics }
  return { sent, state: { inner, residual }, sums }
}

/** A round that is to be done. */
export interface Round {
  /** Counted through all epochs of the run; rounds that are done again have the same number. */
  readonly number: number
  readonly weights: vectors.Weights
  /** What each replica keeps from the round before. */
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

/** What replicas are trained with. */
type TrainedWith = Pick<CrewFor, 'session' | 'rounds'> &
  Pick<Round, 'signal'> & { readonly batches: Batches }

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

// What checkpoints keep of rounds beside weights: the outer momentum, and the replicas' states.

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

const schema = v.object({
  kind: v.literal('rounds'),
  /** Rounds that are done. */
  done: count,
  /** What optimizers of replicas keep beside arrays; null: nothing yet. */
  inner: v.pipe(
    v.array(v.nullable(v.custom<StepState>((value) => stepStateOf(value) !== undefined))),
    v.maxLength(MOST_REPLICAS),
  ),
})

/** The state of a training in rounds, and the callback that checkpoints keep it by. */
export function keptOf({ replicas }: RoundsSetting) {
  const none = () => ({
    done: 0,
    /** [P] */
    momentum: undefined as Float32Array | undefined,
    states: Array.from({ length: replicas }, (): ReplicaState => ({})),
  })
  const kept = none()
  let restored = false
  const callback: Callback = {
    name: 'rounds',
    onFitStart({ resumed }) {
      if (!restored || !resumed) Object.assign(kept, none())
      restored = false
    },
    state: (): v.InferOutput<typeof schema> => ({
      kind: 'rounds',
      done: kept.done,
      inner: kept.states.map(({ inner }) => inner?.numbers ?? null),
    }),
    tensors() {
      const found: [string, Float32Array | undefined][] = [['momentum', kept.momentum]]
      for (const [k, { inner, residual }] of kept.states.entries())
        found.push([`${k}.inner`, inner?.arrays], [`${k}.residual`, residual])
      const entries = found.flatMap(([name, data]) =>
        data ? [[name, { shape: [data.length], data }] as const] : [],
      )
      return Object.fromEntries(entries)
    },
    restore(state, tensors) {
      const { done, inner } = keptAs('rounds', schema, state)
      if (inner.length !== replicas)
        fail(`fit.resume: the checkpoint must hold ${replicas} replicas, got ${inner.length}`)
      const states = inner.map((numbers, k): ReplicaState => {
        const arrays = tensors[`${k}.inner`]?.data
        const residual = tensors[`${k}.residual`]?.data
        if ((numbers === null) !== (arrays === undefined))
          fail(`fit.resume: the checkpoint must hold all of replica ${k}, some of it is missing`)
        return { inner: numbers && arrays ? { numbers, arrays } : undefined, residual }
      })
      Object.assign(kept, { done, momentum: tensors.momentum?.data, states })
      restored = true
    },
  }
  return { kept, callback }
}

export type Kept = ReturnType<typeof keptOf>['kept']
