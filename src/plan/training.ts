/** What training programs do beside a method's forward and backward pass. */

import { type Rule, rules } from '../optimizer/index.js'
import type { ProgramBuilder } from './program.js'
import type { Buffer } from './words.js'

/** What of a training's options the programs depend on; numbers alone change without a new plan. */
export interface TrainingSpec {
  /** Which kernel makes a step, and so what is kept for each parameter. */
  readonly rule: Rule
}

/** A plan's, until `fit` or `model.optimizer` asks for another. */
export const standardTraining: TrainingSpec = { rule: 'sgd' }

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
