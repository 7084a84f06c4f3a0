/** What training programs do beside a method's forward and backward pass. */

import { crossEntropy, type Loss, type RatePenalty } from '../loss/index.js'
import { type Rule, rules } from '../optimizer/index.js'
import type { ProgramBuilder } from './program.js'
import type { Buffer } from './words.js'

/** What of a training's options the programs depend on; numbers alone change without a new plan. */
export interface TrainingSpec {
  /** Which kernel makes a step, and so what is kept for each parameter. */
  readonly rule: Rule
  /** Parameters of each group that has numbers of its own, by name. */
  readonly groups: readonly (readonly string[])[]
  /** Parameters that stay as they are, by name. */
  readonly frozen: readonly string[]
  /** Whether gradients are cut to a norm. */
  readonly clip: boolean
  /** Whether gradients of several batches are added up before a step. */
  readonly accumulate: boolean
  /** Whether a moving average of the parameters is kept. */
  readonly average: boolean
  readonly loss: Loss
  /** Penalties on firing rates, with the neuron layers that they are on. */
  readonly penalties: readonly (Omit<RatePenalty, 'layers'> & {
    readonly layers: readonly string[]
  })[]
}

/** A plan's, until `compile`, `fit` or `model.optimizer` asks for another. */
export const standardTraining: TrainingSpec = {
  rule: 'sgd',
  groups: [],
  frozen: [],
  clip: false,
  accumulate: false,
  average: false,
  loss: crossEntropy(),
  penalties: [],
}

/** What only training has. Arrays of floats have the layout of the parameters. */
export interface TrainingBuffers {
  readonly gradients: Buffer
  /** What the rule keeps from step to step, under its names. */
  readonly states: Readonly<Record<string, Buffer>>
}

export function trainingBuffers(
  b: ProgramBuilder,
  { rule }: TrainingSpec,
  parameterFloats: number,
): TrainingBuffers {
  const bytes = parameterFloats * 4
  const state = (name: string): [string, Buffer] => [name, b.buffer(name, bytes, 'optimizer')]
  return {
    gradients: b.buffer('gradients', bytes, 'gradients'),
    states: Object.fromEntries(rules[rule].states.map(state)),
  }
}

/** @throws Error for what no program does yet */
export function expectPlanned(spec: TrainingSpec): void {
  const { rule, ...rest } = spec
  const flags = [rest.clip, rest.accumulate, rest.average]
  const lists = [rest.groups, rest.frozen]
  if (rule !== 'sgd' || flags.includes(true) || lists.some(({ length }) => length > 0))
    throw new Error(`not planned yet: ${JSON.stringify(spec)}`)
}
