/** What training keeps when a model is planned anew, and what it forgets. */

import { rules } from '../optimizer/index.js'
import { statesOf, type TrainingSpec } from '../plan/training.js'
import { floatsAt, trainingOf } from './arena.js'
import { optimizerState, type StateDict, takeOptimizerState } from './state.js'
import { noSteps, type StepSource, type StepState, stepState, takeStepState } from './update.js'

type Source = StepSource & { accumulated: number }

/** What the plan before has left: arrays by the name of the state, and numbers. */
interface Kept {
  readonly states: Readonly<Record<string, StateDict>>
  readonly numbers: StepState
}

/** What a plan for another training can go on with. */
export function keptFor(source: Source, spec: TrainingSpec): Kept | undefined {
  const before = source.plan.options.training
  if (!source.plan.named.training || !before) return undefined
  const sameRule = spec.rule === before.rule
  const names = statesOf(before).filter(
    (name) =>
      statesOf(spec).includes(name) && (sameRule || !rules[before.rule].states.includes(name)),
  )
  const { powers, averaged, accumulated } = stepState(source)
  return {
    states: optimizerState(source, names),
    numbers: {
      powers: sameRule ? powers : noSteps.powers,
      averaged: names.includes('average') ? averaged : 0,
      accumulated: names.includes('accumulated') ? accumulated : 0,
    },
  }
}

/** Goes on with it, or begins. */
export function takeKept(source: Source, kept: Kept | undefined): void {
  const { states, numbers } = kept ?? { states: {}, numbers: noSteps }
  if (source.plan.named.training) takeOptimizerState(source, states, Object.keys(states))
  takeStepState(source, numbers)
  source.accumulated = numbers.accumulated
}

/** Forgets what the rule keeps and accumulated gradients; with `average`, that too. */
export function forget(source: Source, average = false): void {
  for (const [name, { address, bytes }] of Object.entries(trainingOf(source).states))
    if (average || name !== 'average') floatsAt(source, address, bytes / 4).fill(0)
  const { averaged } = stepState(source)
  takeStepState(source, { ...noSteps, averaged: average ? 0 : averaged })
  source.accumulated = 0
}
