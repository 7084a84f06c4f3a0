/** What training keeps when a model is planned anew, and what it forgets. */

import { kindOfRule } from '../optimizer/kind.js'
import type { Plan } from '../plan/plan.js'
import { standardTraining, statesOf } from '../plan/training.js'
import { floatsAt, trainingOf } from './arena.js'
import { noSteps, type StepSource, type StepState, stepState, takeStepState } from './update.js'

// Numbers that stay when a model is planned anew: from the old plan's places to the new one's.

export interface Move {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

/**
 * Moves of parameters, statistics and named states of the optimizer, in the order of both plans.
 * All plans of a model lay out each of them alike.
 */
function movesBetween(before: Plan, after: Plan, states: readonly string[]): Move[] {
  const buffersOf = ({ named }: Plan) => [
    named.parameters,
    named.statistics,
    ...states.flatMap((name) => named.training?.states[name] ?? []),
  ]
  const targets = buffersOf(after)
  return buffersOf(before).map(({ address, bytes }, i) => {
    if (targets[i]?.bytes !== bytes) throw new Error('two plans of a model differ in what it keeps')
    return { from: address, to: targets[i].address, bytes }
  })
}

/**
 * Moves within a memory, without a copy, and makes the rest of its first `end` bytes zero.
 *
 * @param moves in the order of addresses, before and after
 */
export function moveWithin(buffer: ArrayBufferLike, moves: readonly Move[], end: number): void {
  const all = new Uint8Array(buffer)
  const up = moves.filter(({ from, to }) => to > from)
  const down = moves.filter(({ from, to }) => to < from)
  // Up from the last, then down from the first: so nothing is covered that has yet to move.
  for (const { from, to, bytes } of [...up.reverse(), ...down])
    all.copyWithin(to, from, from + bytes)
  let next = 0
  for (const { to, bytes } of moves) {
    all.fill(0, next, to)
    next = to + bytes
  }
  all.fill(0, next, end)
}

/** Moves from one memory to another, which is zero. */
export function moveAcross(
  source: ArrayBufferLike,
  target: ArrayBufferLike,
  moves: readonly Move[],
): void {
  const all = new Uint8Array(target)
  for (const { from, to, bytes } of moves) all.set(new Uint8Array(source, from, bytes), to)
}

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
          statesOf(spec).includes(name) &&
          (sameRule || !kindOfRule(before.rule).states.includes(name)),
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
