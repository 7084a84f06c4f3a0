/** Two ways to do the same work, in turns: what both took, and their ratio. */

import { median } from '../src/base/numbers.js'
import { Purpose, RandomStream } from '../src/base/random.js'
import { type Call, takeTurns } from '../src/bench/compare/child.js'
import { summarise } from '../src/bench/run.js'

/** Milliseconds for both. */
export const turnsMs = (quick: boolean): number => (quick ? 40 : 2500)

export interface Comparison {
  /** Median over the rounds of the time of a, divided by that of b. */
  readonly ratio: number
  /** Median absolute deviation of the rounds' ratios, in percent of the median. */
  readonly spread: number
  /** Milliseconds of a call, median over the rounds. */
  readonly a: number
  readonly b: number
  readonly rounds: number
}

/** @param call gets the number of the call, so that each can take another image */
export function counted(call: (i: number) => unknown): Call {
  let calls = 0
  return () => call(calls++)
}

/** @param countsWaiting see `takeTurns` */
export async function compareCalls(
  a: Call,
  b: Call,
  ms: number,
  countsWaiting = false,
): Promise<Comparison> {
  const random = new RandomStream(Purpose.Shuffle)
  random.start(0, 0, 0)
  const budget = { ms, countsWaiting, leastRounds: 5, mostRounds: 1000 }
  const { times } = await takeTurns([a, b], budget, random)
  const [mine, theirs] = times
  const { median: ratio, spread } = summarise(mine.map((time, i) => time / theirs[i]))
  return { ratio, spread, a: median(mine), b: median(theirs), rounds: mine.length }
}
