/**
 * A model's numbers as vectors: parameters, running statistics and what the optimizer keeps, one
 * behind the other in the order of the network, each in PyTorch's layout.
 */

import { fail } from '../../errors.js'
import { sizeOf } from '../../nn/value.js'
import { pack, unpack } from '../../plan/layout.js'
import { type Arena, storedAt, trainingOf } from '../../runtime/arena.js'
import type { Session } from '../../runtime/session.js'
import { type StepState, stepState, takeStepState } from '../../runtime/update.js'

type Entry = Session['plan']['parameters'][number] | Session['plan']['statistics'][number]

/** Numbers that are rounded with one scale, such as all that lead to one output. */
export interface Rows {
  readonly count: number
  /** Numbers of a row. */
  readonly size: number
}

/** How long the vectors of a network are. */
export interface Sizes {
  /** P */
  readonly parameters: number
  /** S, numbers of running statistics. */
  readonly statistics: number
  /** Arrays of P numbers that the optimizer keeps. */
  readonly states: number
  /** Those of the parameters, in order. */
  readonly rows: readonly Rows[]
}

const sum = (entries: readonly Entry[]): number =>
  entries.reduce((total, entry) => total + sizeOf(entry.layout.shape), 0)

/** In an order that does not depend on how a plan is made. */
const stateNames = (arena: Arena): string[] => Object.keys(trainingOf(arena).states).sort()

export function sizesOf(arena: Arena): Sizes {
  const { parameters, statistics } = arena.plan
  return {
    parameters: sum(parameters),
    statistics: sum(statistics),
    states: stateNames(arena).length,
    rows: parameters.map((parameter) => {
      const { shape } = parameter.layout
      // A vector, such as a bias, is one row.
      const count = shape.length > 1 ? shape[0] : 1
      return { count, size: sizeOf(shape) / count }
    }),
  }
}

/** Numbers of entries, one behind the other: into a vector, or from one with `takes`. */
function move(
  arena: Arena,
  base: number,
  entries: readonly Entry[],
  vector: Float32Array,
  takes = false,
): void {
  let at = 0
  for (const entry of entries) {
    const part = vector.subarray(at, at + sizeOf(entry.layout.shape))
    const stored = storedAt(arena, base, entry)
    at += part.length
    if (takes) {
      pack(entry.layout, part, stored)
      arena.wrote?.(stored.byteOffset, stored.byteLength)
    } else part.set(unpack(entry.layout, stored))
  }
}

/** What rounds average. */
export interface Weights {
  /** [P] */
  readonly parameters: Float32Array
  /** [S] */
  readonly statistics: Float32Array
}

/** Copies. */
export function weightsOf(arena: Arena): Weights {
  const { parameters, statistics } = sizesOf(arena)
  const found = {
    parameters: new Float32Array(parameters),
    statistics: new Float32Array(statistics),
  }
  moveWeights(arena, found)
  return found
}

export const takeWeights = (arena: Arena, weights: Weights): void =>
  moveWeights(arena, weights, true)

function moveWeights(arena: Arena, weights: Weights, takes = false): void {
  for (const key of ['parameters', 'statistics'] as const)
    move(arena, arena.plan.named[key].address, arena.plan[key], weights[key], takes)
}

/** What an optimizer keeps from step to step. */
export interface Inner {
  /** [states][P] */
  readonly arrays: Float32Array
  readonly numbers: StepState
}

function moveInner(session: Session, arrays: Float32Array, takes = false): void {
  const { parameters } = sizesOf(session)
  const { states } = trainingOf(session)
  for (const [i, name] of stateNames(session).entries()) {
    const part = arrays.subarray(i * parameters)
    move(session, states[name].address, session.plan.parameters, part, takes)
  }
}

/** A copy. */
export function innerOf(session: Session): Inner {
  const { parameters, states } = sizesOf(session)
  const arrays = new Float32Array(states * parameters)
  moveInner(session, arrays)
  return { arrays, numbers: stepState(session) }
}

/** Undefined stands for an optimizer that has taken no step. */
export function takeInner(session: Session, inner: Inner | undefined): void {
  if (!inner) {
    session.resetOptimizer()
    return
  }
  const { parameters, states } = sizesOf(session)
  const { length } = inner.arrays
  if (length !== states * parameters)
    fail(
      `a replica's optimizer must keep ${states} arrays of ${parameters} numbers, got ` +
        `${length} numbers`,
    )
  moveInner(session, inner.arrays, true)
  takeStepState(session, inner.numbers)
  session.accumulated = 0
}
