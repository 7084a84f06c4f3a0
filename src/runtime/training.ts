/** What training options ask of a plan. */

import type { Graph } from '../graph/trace.js'
import type { Loss, RatePenalty } from '../loss/index.js'
import { type Names, named, type Optimizer, ruleOf } from '../optimizer/index.js'
import { collectState } from '../plan/state.js'
import type { TrainingSpec } from '../plan/training.js'

/** Options that decide what training programs do; those of `fit`, by the same names. */
export interface TrainingOptions {
  readonly optimizer: Optimizer
  readonly loss: Loss
  readonly penalties?: readonly RatePenalty[]
  readonly freeze?: Names
  readonly clipNorm?: number
  readonly accumulate?: number
  readonly ema?: number
}

/**
 * @param name what has the options, for messages: 'fit'
 * @throws SpikewasmError when a name is that of no parameter or neuron layer
 */
export function trainingSpec(name: string, graph: Graph, options: TrainingOptions): TrainingSpec {
  const { optimizer, loss, penalties = [], freeze, clipNorm, accumulate = 1, ema } = options
  const parameters = collectState(graph).parameters.map((p) => p.name)
  const neurons = graph.nodes.filter(({ kind }) => kind === 'neuron').map((node) => node.name)
  return {
    rule: ruleOf(optimizer),
    groups: optimizer.groups.map(({ params }, i) =>
      named(`${optimizer.kind}.groups[${i}].params`, params, parameters),
    ),
    frozen: freeze === undefined ? [] : named(`${name}.freeze`, freeze, parameters),
    clip: clipNorm !== undefined,
    accumulate: accumulate > 1,
    average: ema !== undefined,
    loss,
    penalties: penalties.map((penalty, i) => ({
      ...penalty,
      layers: named(`${name}.penalties[${i}].layers`, penalty.layers, neurons),
    })),
  }
}
