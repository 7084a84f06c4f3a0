/** What checkpoints keep of rounds beside weights: the outer momentum, and the replicas' states. */

import { fail } from '../../errors.js'
import type { StateDict } from '../../runtime/state.js'
import { type StepState, stepStateOf } from '../../runtime/update.js'
import * as v from '../../runtime/vendor/valibot/index.js'
import type { Callback } from '../../train/callback.js'
import { keptAs } from '../../train/callback-state.js'
import { MOST_REPLICAS, type RoundsSetting } from './options.js'
import type { ReplicaState } from './replica.js'

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
export class Kept {
  done = 0
  /** [P] */
  momentum: Float32Array | undefined
  states: ReplicaState[]
  private restored = false

  constructor(private readonly rounds: RoundsSetting) {
    this.states = this.none()
  }

  private none(): ReplicaState[] {
    return Array.from({ length: this.rounds.replicas }, () => ({}))
  }

  get callback(): Callback {
    const kept = this
    return {
      name: 'rounds',
      onFitStart(start) {
        if (!kept.restored || !start.resumed) {
          kept.done = 0
          kept.momentum = undefined
          kept.states = kept.none()
        }
        kept.restored = false
      },
      state: (): v.InferOutput<typeof schema> => ({
        kind: 'rounds',
        done: kept.done,
        inner: kept.states.map(({ inner }) => inner?.numbers ?? null),
      }),
      tensors: () => kept.tensors(),
      restore: (state, tensors) => kept.restore(state, tensors),
    }
  }

  private tensors(): StateDict {
    const found: [string, Float32Array | undefined][] = [['momentum', this.momentum]]
    for (const [k, { inner, residual }] of this.states.entries())
      found.push([`${k}.inner`, inner?.arrays], [`${k}.residual`, residual])
    const entries = found.flatMap(([name, data]) =>
      data ? [[name, { shape: [data.length], data }] as const] : [],
    )
    return Object.fromEntries(entries)
  }

  private restore(state: unknown, tensors: StateDict): void {
    const { done, inner } = keptAs('rounds', schema, state)
    const { replicas } = this.rounds
    if (inner.length !== replicas)
      fail(`fit.resume: the checkpoint must hold ${replicas} replicas, got ${inner.length}`)
    this.done = done
    this.momentum = tensors.momentum?.data
    this.states = inner.map((numbers, k) => {
      const arrays = tensors[`${k}.inner`]?.data
      const residual = tensors[`${k}.residual`]?.data
      if ((numbers === null) !== (arrays === undefined))
        fail(`fit.resume: the checkpoint must hold all of replica ${k}, some of it is missing`)
      return {
        ...(numbers && arrays ? { inner: { numbers, arrays } } : {}),
        ...(residual ? { residual } : {}),
      }
    })
    this.restored = true
  }
}
