/**
 * A model's numbers as vectors: parameters, running statistics and what the optimizer keeps, one
 * behind the other in the order of the network, each in PyTorch's layout.
 */

import { expect } from '../../errors.js'
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
  /** Of the parameters, in order. */
  readonly rows: readonly Rows[]
}

const sizeOf = ({ layout: { shape } }: Entry): number => shape.reduce((a, b) => a * b, 1)

const sum = (entries: readonly Entry[]): number =>
  entries.reduce((total, entry) => total + sizeOf(entry), 0)

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
      return { count, size: sizeOf(parameter) / count }
    }),
  }
}

function gather(arena: Arena, base: number, entries: readonly Entry[], to: Float32Array): void {
  let at = 0
  for (const entry of entries) {
    const values = unpack(entry.layout, storedAt(arena, base, entry))
    to.set(values, at)
    at += values.length
  }
}

function spread(arena: Arena, base: number, entries: readonly Entry[], from: Float32Array): void {
  let at = 0
  for (const entry of entries) {
    const stored = storedAt(arena, base, entry)
    pack(entry.layout, from.subarray(at, at + sizeOf(entry)), stored)
    arena.wrote?.(stored.byteOffset, stored.byteLength)
    at += sizeOf(entry)
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
  const { named } = arena.plan
  gather(arena, named.parameters.address, arena.plan.parameters, found.parameters)
  gather(arena, named.statistics.address, arena.plan.statistics, found.statistics)
  return found
}

export function takeWeights(arena: Arena, { parameters, statistics }: Weights): void {
  const { named } = arena.plan
  spread(arena, named.parameters.address, arena.plan.parameters, parameters)
  spread(arena, named.statistics.address, arena.plan.statistics, statistics)
}

/** What an optimizer keeps from step to step. */
export interface Inner {
  /** [states][P] */
  readonly arrays: Float32Array
  readonly numbers: StepState
}

/** A copy. */
export function innerOf(session: Session): Inner {
  const { parameters } = sizesOf(session)
  const { states } = trainingOf(session)
  const names = stateNames(session)
  const arrays = new Float32Array(names.length * parameters)
  for (const [i, name] of names.entries()) {
    const part = arrays.subarray(i * parameters)
    gather(session, states[name].address, session.plan.parameters, part)
  }
  return { arrays, numbers: stepState(session) }
}

/** Undefined stands for an optimizer that has taken no step. */
export function takeInner(session: Session, inner: Inner | undefined): void {
  if (!inner) {
    session.resetOptimizer()
    return
  }
  const { parameters } = sizesOf(session)
  const { states } = trainingOf(session)
  const names = stateNames(session)
  expect(
    inner.arrays.length === names.length * parameters,
    () =>
      `a replica's optimizer must keep ${names.length} arrays of ${parameters} numbers, got ` +
      `${inner.arrays.length} numbers`,
  )
  for (const [i, name] of names.entries()) {
    const part = inner.arrays.subarray(i * parameters)
    spread(session, states[name].address, session.plan.parameters, part)
  }
  takeStepState(session, inner.numbers)
  session.accumulated = 0
}
