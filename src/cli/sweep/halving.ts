/**
 * Successive halving: at some epochs, the rungs, the better part of the runs goes on and the rest
 * ends. What is decided is a function of the results alone. So the table of a sweep is the same
 * whichever machines have done its runs, and in which order they have ended.
 *
 * Of the n runs that reach a rung, the best ⌊n / factor⌋ go on, one at least; of equal ones the
 * smaller id. A run's fate is decided as soon as no result that is still missing could change it: a
 * run ends when enough better ones are known, and goes on when too few are unknown to push it out.
 * The others of a rung need not have come that far.
 */

import { complete, integer } from '../../rules.js'

export interface Halving {
  /** One of so many goes on. */
  readonly factor: number
  /** The first rung, in epochs; each next one is `factor` times as far. */
  readonly minEpochs: number
}

/** @throws SpikewasmError for something else */
export function readHalving(value: unknown, where: string): Halving | undefined {
  if (value === undefined) return undefined
  const rules = { factor: integer(2, 1000, 3), minEpochs: integer(1, 1000, 1) }
  return complete(where, rules, value as object)
}

/** Epochs of the rungs; the last one is the end of a run. */
export function rungsOf({ factor, minEpochs }: Halving, epochs: number): number[] {
  const rungs: number[] = []
  for (let at = minEpochs; at < epochs; at *= factor) rungs.push(at)
  return [...rungs, epochs]
}

/** Where a run stands. */
export interface Standing {
  /** The rung that it has reached, or trains for. */
  readonly rung: number
  /**
   * 'trains': it has no result at its rung yet; 'waits': it has one, and others are missing;
   * 'stopped': it ends at its rung; 'ended': it has come to its end.
   */
  readonly state: 'trains' | 'waits' | 'stopped' | 'ended'
}

/**
 * @param result test accuracy of a run at a rung, 0…1; −Infinity of one that failed, undefined
 *   where it is not known yet
 */
export function standings(
  ids: readonly string[],
  { factor }: Pick<Halving, 'factor'>,
  rungs: number,
  result: (id: string, rung: number) => number | undefined,
): Map<string, Standing> {
  const out = new Map<string, Standing>()
  let [members, size] = [[...ids], ids.length]
  for (let rung = 0; rung < rungs; rung++) {
    const known = members.filter((id) => result(id, rung) !== undefined)
    const isLast = rung === rungs - 1
    const keep = Math.max(1, Math.floor(size / factor))
    const ranked = known.sort((a, b) => {
      const [x, y] = [result(a, rung) ?? 0, result(b, rung) ?? 0]
      return x === y ? (a < b ? -1 : 1) : y - x
    })
    const unknown = size - ranked.length
    for (const id of members)
      if (result(id, rung) === undefined) out.set(id, { rung, state: 'trains' })
    const next: string[] = []
    for (const [better, id] of ranked.entries()) {
      if (isLast) out.set(id, { rung, state: 'ended' })
      else if (better >= keep) out.set(id, { rung, state: 'stopped' })
      else if (better + unknown < keep) next.push(id)
      else out.set(id, { rung, state: 'waits' })
    }
    members = next
    size = keep
  }
  return out
}
