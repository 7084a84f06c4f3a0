/** The outer step: what becomes of the replicas' changes. */

import { fail } from '../../base/errors.js'
import type { RoundsSetting } from './options.js'
import { addChange, type Sizes, type Weights } from './vectors.js'

/** What a replica sends of a round. */
export interface Sent {
  /** Parameters, or their change, as `encode` gives it. */
  readonly change: Uint8Array
  /** Running statistics, float32 [S]. */
  readonly statistics: Float32Array
}

/**
 * SGD with Nesterov momentum on the mean change c of K replicas, as PyTorch's SGD does it with −c
 * for a gradient: v ← μ·v + c, w ← w + lr·(c + μ·v). The mean is added up in float64 in the order
 * of the replicas, so that its bits do not depend on who has sent first; v and w are float32. With
 * lr 1 and μ 0 the new w is the replicas' mean. Running statistics become their mean.
 *
 * @returns momentum [P] for the next step; absent without one
 * @throws SpikewasmError for what a replica cannot have sent, and when a result is not finite
 */
export function outerStep(
  { outerLr, outerMomentum, compress }: RoundsSetting,
  sizes: Sizes,
  before: Weights,
  momentum: Float32Array | undefined,
  sent: readonly Sent[],
): { readonly weights: Weights; readonly momentum?: Float32Array } {
  const change = new Float64Array(sizes.parameters)
  for (const { change: bytes } of sent) addChange(compress, sizes, before.parameters, bytes, change)
  const parameters = new Float32Array(sizes.parameters)
  const next = outerMomentum > 0 ? new Float32Array(sizes.parameters) : undefined
  for (let i = 0; i < parameters.length; i++) {
    const mean = change[i] / sent.length
    let step = mean
    if (next) {
      next[i] = outerMomentum * (momentum ? momentum[i] : 0) + mean
      step += outerMomentum * next[i]
    }
    parameters[i] = before.parameters[i] + outerLr * step
    if (!Number.isFinite(parameters[i]))
      fail(
        'the outer step of a round gives a parameter that is not finite; a lower outerLr, ' +
          'outerMomentum or learning rate helps',
      )
  }
  const weights = { parameters, statistics: meanStatistics(sizes, sent) }
  return next ? { weights, momentum: next } : { weights }
}

function meanStatistics(sizes: Sizes, sent: readonly Sent[]): Float32Array {
  const sum = new Float64Array(sizes.statistics)
  for (const { statistics } of sent) {
    if (statistics.length !== sum.length)
      fail(`a replica must send ${sum.length} running statistics, got ${statistics.length}`)
    for (let i = 0; i < sum.length; i++) sum[i] += statistics[i]
  }
  return Float32Array.from(sum, (value) => value / sent.length)
}
