/** What training keeps when a model is planned anew, and what it forgets. */

import { rules } from '../optimizer/index.js'
import type { Plan } from '../plan/plan.js'
import { standardTraining, statesOf } from '../plan/training.js'
import { floatsAt, trainingOf } from './arena.js'
import { type Move, movesBetween } from './move.js'
import { noSteps, type StepSource, type StepState, stepState, takeStepState } from './update.js'

type Source = StepSource & { accumulated: number }

/** What the plan before leaves to the next one: arrays, and numbers. */
interface Kept {
  readonly moves: readonly Move[]
  readonly numbers: StepState
  /** Whether there is an average that has taken no step: it is the parameters. */
  readonly averages: boolean
}

/** What `plan` goes on with. */
export function keptFor(source: Source, plan: Plan): Kept {
  const { training: before = standardTraining } = source.plan.options
  const { training: spec = standardTraining } = plan.options
  const sameRule = spec.rule === before.rule
  const names = source.plan.named.training
    ? statesOf(before).filter(
        (name) =>
          statesOf(spec).includes(name) && (sameRule || !rules[before.rule].states.includes(name)),
      )
    : []
  const { powers, averaged, accumulated } = stepState(source)
  const average = names.includes('average')
  return {
    moves: movesBetween(source.plan, plan, names),
    numbers: {
      powers: sameRule ? powers : noSteps.powers,
      averaged: average ? averaged : 0,
      accumulated: names.includes('accumulated') ? accumulated : 0,
    },
    averages: average && averaged === 0,
  }
}

/** Goes on with it once the arrays are in their places, or begins. */
export function takeKept(source: Source, kept?: Pick<Kept, 'numbers' | 'averages'>): void {
  const { numbers, averages } = kept ?? { numbers: noSteps, averages: false }
  if (averages) {
    const { address, bytes } = source.plan.named.parameters
    const parameters = floatsAt(source, address, bytes / 4)
    const { average } = trainingOf(source).states
    floatsAt(source, average.address, bytes / 4).set(parameters)
    source.wrote?.(average.address, bytes)
  }
  takeStepState(source, numbers)
  source.accumulated = numbers.accumulated
}

/** Forgets what the rule keeps and accumulated gradients; with `average`, that too. */
export function forget(source: Source, average = false): void {
  for (const [name, { address, bytes }] of Object.entries(trainingOf(source).states))
    if (average || name !== 'average') {
      floatsAt(source, address, bytes / 4).fill(0)
      source.wrote?.(address, bytes)
    }
  const { averaged } = stepState(source)
  takeStepState(source, { ...noSteps, averaged: average ? 0 : averaged })
  source.accumulated = 0
}
