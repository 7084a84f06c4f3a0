/**
 * What belongs to the losses of a page: a function that makes losses registers the parts of its
 * kind, so that a bundle holds those of the functions that it calls.
 */

import type { GraphNode } from '../graph/trace.js'
import { crossEntropy, type Loss, type LossMakers, type ratePenalty } from '../loss/index.js'
import { crossEntropyPlan, type LossPlan } from '../plan/losses/plans.js'
import type { Pass } from '../plan/pass.js'
import type { SpikeTensor } from '../plan/tensors.js'

/** What penalties on firing rates need. */
export interface Penalties {
  readonly make: typeof ratePenalty
  give(pass: Pass, node: GraphNode, spikes: SpikeTensor): void
}

const makers: LossMakers = {}
const plans = new Map<string, unknown>()
let penalties: Penalties | undefined
let ofExits: (() => Loss) | undefined

export function registerLoss<L extends Loss>(
  kind: L['kind'],
  make: (options: never) => L,
  plan: LossPlan<L>,
): void {
  makers[kind] = make
  plans.set(kind, plan)
}

/** Makes the loss of networks with several outputs. */
export function registerExits(make: () => Loss): void {
  ofExits = make
}

export function registerPenalties(made: Penalties): void {
  penalties = made
}

function begin(): void {
  if (!plans.has('crossEntropy')) registerLoss('crossEntropy', crossEntropy, crossEntropyPlan)
}

export function knownLosses(): LossMakers {
  begin()
  return makers
}

export function planOfLoss(kind: string): unknown {
  begin()
  return plans.get(kind)
}

export const knownPenalties = (): Penalties | undefined => penalties

/** Networks with several outputs come from functions that register this. */
export const knownExits = (): (() => Loss) | undefined => ofExits
