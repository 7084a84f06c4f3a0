/** What training options ask of a plan. */

import { describe, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import { checkOptimizer, type Optimizer, ruleOf } from '../../compile/optimizer-kind.js'
import type { PlanOptions } from '../../compile/plan.js'
import { collectState, otherNames } from '../../compile/state.js'
import type { TrainingSpec } from '../../compile/training.js'
import { fires } from '../../network/kind.js'
import { checkRate, type Names, named } from '../../network/optimizer.js'
import type { Graph } from '../../network/trace.js'
import type { Loss, RatePenalty } from '../../nn/loss/kinds.js'
import type { Session } from '../session.js'

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
  const neurons = graph.nodes.filter(({ layer }) => fires(layer)).map((node) => node.name)
  if (penalties.length !== 0 && neurons.length === 0)
    fail(
      `${name}.penalties need neurons that fire, such as lif(), and the network has none; leave ` +
        'them out',
    )
  const groups = groupsOf(graph, optimizer)
  const frozen = freeze === undefined ? [] : namedParameters(`${name}.freeze`, freeze, graph)
  return {
    rule: ruleOf(optimizer),
    groups,
    frozen,
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

/** Parameters that are named, by any place of their layer. */
function namedParameters(what: string, patterns: Names, graph: Graph): readonly string[] {
  const all = collectState(graph).parameters.map((p) => p.name)
  const others = otherNames(graph)
  const found = named(what, patterns, [...all, ...others.keys()])
  const own = new Set(found.map((name) => others.get(name) ?? name))
  return all.filter((name) => own.has(name))
}

/**
 * Parameters of an optimizer's groups.
 *
 * @throws SpikewasmError when a group names what the network does not have, or does nothing
 */
export function groupsOf(graph: Graph, { kind, groups }: Optimizer): TrainingSpec['groups'] {
  if (groups.length === 0) return []
  const all = groups.map(({ params }, i) =>
    namedParameters(`${kind}.groups[${i}].params`, params, graph),
  )
  for (const [i, { lr, weightDecay }] of groups.entries()) {
    const where = `${kind}.groups[${i}]`
    const own = ownOf(all, i)
    if (own.length === 0)
      fail(`${where}.params: all that it names is in groups before it; put it before them`)
    // What has nothing of its own may still keep parameters from a group behind it.
    const keeps = all.slice(i + 1).some((group) => own.some((name) => group.includes(name)))
    if (lr === undefined && weightDecay === undefined && !keeps)
      fail(`${where} must have an lr or a weightDecay of its own, got neither; leave it out`)
  }
  return all
}

/** Parameters of a group that are in none before it, which would count. */
const ownOf = (groups: TrainingSpec['groups'], i: number): readonly string[] =>
  groups[i].filter((name) => !groups.slice(0, i).some((group) => group.includes(name)))

/** The options of a plan for the model's optimizer, and for clipping once it is asked for. */
export function planOfOptimizer(
  session: Session,
  clipNorm?: number,
  more?: Partial<TrainingSpec>,
): PlanOptions | undefined {
  const { optimizer, graph, plan } = session
  return session.otherPlan(undefined, {
    rule: ruleOf(optimizer),
    groups: groupsOf(graph, optimizer),
    clip: clipNorm !== undefined || (plan.options.training?.clip ?? false),
    ...more,
  })
}

/**
 * Makes it the model's optimizer.
 *
 * @throws SpikewasmError for what is none, and while the model runs: a step would take half of it
 */
export function setOptimizer(session: Session, optimizer: Optimizer): void {
  checkOptimizer('model.optimizer', optimizer)
  groupsOf(session.graph, optimizer)
  if (session.lock.taken)
    fail(
      `model.optimizer must stay as it is while the model runs, got ${optimizer.kind}; wait for ` +
        'the call before (await). In fit, a schedule changes the learning rate; for another ' +
        'optimizer call fit again',
    )
  session.optimizer = copyOf(optimizer)
}

/**
 * By what a step's learning rate differs from the optimizer's.
 *
 * @param name what messages call it
 * @throws SpikewasmError for one that is out of range, or makes that of a group be so
 */
export function stepFactor(optimizer: Optimizer, lr: number, name = 'trainStep.lr'): number {
  checkRate(name, lr)
  const factor = lr === optimizer.lr || optimizer.lr === 0 ? 1 : lr / optimizer.lr
  for (const group of optimizer.groups)
    checkRate(`${name} times the lr of a group`, (group.lr ?? 0) * factor)
  return factor
}

/** @throws SpikewasmError unless gradients can be clipped to it */
export function checkClipNorm(name: string, clipNorm: number | undefined): void {
  if (clipNorm !== undefined && !(Number.isFinite(clipNorm) && Math.fround(clipNorm) > 0))
    fail(`${name} must be > 0, got ${describe(clipNorm)}; leave it out to clip nothing`)
}
