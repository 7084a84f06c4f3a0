/** Numbers that stay when a model is planned anew: from the old plan's places to the new one's. */

import type { Plan } from '../plan/plan.js'

export interface Move {
  readonly from: number
  readonly to: number
  readonly bytes: number
}

/**
 * Moves of parameters, statistics and named states of the optimizer, in the order of both plans.
 * All plans of a model lay out each of them alike.
 */
export function movesBetween(before: Plan, after: Plan, states: readonly string[]): Move[] {
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
