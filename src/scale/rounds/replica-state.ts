/** What checkpoints keep of rounds beside weights: the outer momentum, and the replicas' states. */

import { fail } from '../../base/errors.js'
import { type StepState, stepStateOf } from '../../engine/run/update.js'
import * as v from '../../engine/vendor/valibot/index.js'
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
