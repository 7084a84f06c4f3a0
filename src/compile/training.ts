/** What training programs do beside a method's forward and backward pass. */

import { StepGroup, StepNumbers } from '../../assembly/opcodes.js'
import { fail } from '../base/errors.js'
import type { Buffer } from '../kernels/records/words.js'
import type { Loss, Penalty } from '../network/optimizer.js'
import { kindOfRule } from './optimizer-kind.js'
import type { ProgramBuilder } from './program.js'

/** What of a training's options the programs depend on; numbers alone change without a new plan. */
export interface TrainingSpec {
  /** By which rule steps are made, and so what is kept for each parameter. */
  readonly rule: string
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
  /** Whether samples have weights in the loss. */
  readonly weighted?: true
  /** Whether outputs of each step can be read behind a forward pass. */
  readonly stepOutputs?: true
  readonly loss: Loss
  /** Whether the host may run forward pass, backward pass and step one by one. */
  readonly parts?: boolean
  /** Penalties on firing rates, with the neuron layers that they are on. */
  readonly penalties: readonly (Omit<Penalty, 'layers'> & { readonly layers: readonly string[] })[]
}

/** Whether a loss is of a target for each step. */
export const hasTargetSteps = (loss: Loss): boolean => 'targets' in loss && loss.targets === 'steps'

/** A plan's, until `compile`, `fit` or `model.optimizer` asks for another. */
export const standardTraining: TrainingSpec = {
  rule: 'sgd',
  groups: [],
  frozen: [],
  clip: false,
  accumulate: false,
  average: false,
  // What crossEntropy() gives.
  loss: { kind: 'crossEntropy', labelSmoothing: 0, of: 'rates' },
  penalties: [],
}

/** What only training has. Arrays of floats have the layout of the parameters. */
export interface TrainingBuffers {
  readonly gradients: Buffer
  /**
   * What is kept from step to step: what the rule keeps under its names, `average` the moving
   * average, `accumulated` the sum of gradients of several batches.
   */
  readonly states: Readonly<Record<string, Buffer>>
  /** `StepNumbers`, then `StepGroup`s; where SGD does with the control block there are none. */
  readonly numbers?: Buffer
}

/** Arrays that are kept for each parameter. */
export const statesOf = ({ rule, average, accumulate }: TrainingSpec): string[] => [
  ...kindOfRule(rule).states,
  ...(average ? ['average'] : []),
  ...(accumulate ? ['accumulated'] : []),
]

/** Whether steps need more numbers than those of the control block. */
const needsNumbers = ({ rule, groups, clip, accumulate, average }: TrainingSpec): boolean =>
  rule !== 'sgd' || groups.length > 0 || clip || accumulate || average

export function trainingBuffers(
  b: ProgramBuilder,
  spec: TrainingSpec,
  parameterFloats: number,
): TrainingBuffers {
  const bytes = parameterFloats * 4
  // Beside groups there are parameters of none.
  const numbersBytes = groupOffset(spec.groups.length + 1, true)
  const state = (name: string): [string, Buffer] => [name, b.buffer(name, bytes, 'optimizer')]
  return {
    gradients: b.buffer('gradients', bytes, 'gradients'),
    states: Object.fromEntries(statesOf(spec).map(state)),
    ...(needsNumbers(spec) && { numbers: b.buffer('step numbers', numbersBytes, 'optimizer') }),
  }
}

/** Where the numbers of a group lie: one place for its weights, and one for the others. */
export const groupOffset = (group: number, decays: boolean): number =>
  StepNumbers.Bytes + (2 * group + (decays ? 0 : 1)) * StepGroup.Bytes

/** @throws SpikewasmError where steps do not wait for several batches */
export function expectAccumulates(
  { accumulate }: TrainingSpec,
  { update }: { readonly update: 'afterwards' | 'everyStep' },
): void {
  if (accumulate && update !== 'afterwards')
    fail(
      "fit.accumulate needs update 'afterwards', got 'everyStep', which makes a step of the " +
        'optimizer within each batch; leave one of them out',
    )
}
