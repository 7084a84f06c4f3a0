/**
 * Two ways to do the same work, in turns: what disturbs the machine for a while disturbs both, and
 * their ratio stays.
 */
import { medianOf } from './measure.js'

/** So many calls, one behind the other; `first` is the number of the first one. */
export type Block = (first: number, calls: number) => void | Promise<void>

/** @param call gets the number of the call, so that each can take another image */
export const blockOf =
  (call: (i: number) => void): Block =>
  (first, calls) => {
    for (let i = first; i < first + calls; i++) call(i)
  }

export const asyncBlockOf =
  (call: (i: number) => Promise<unknown>): Block =>
  async (first, calls) => {
    for (let i = first; i < first + calls; i++) await call(i)
  }

export interface PairBudget {
  /** Least time of either side before anything counts. */
  readonly warmupMs: number
  /** About how long a block takes, mean of both sides. */
  readonly blockMs: number
  /** Pairs of blocks. */
  readonly pairs: number
}

export const thoroughPairs: PairBudget = { warmupMs: 300, blockMs: 25, pairs: 21 }
export const quickPairs: PairBudget = { warmupMs: 20, blockMs: 3, pairs: 5 }

export interface Comparison {
  /** Median over the pairs of the time of a, divided by that of b. */
  readonly ratio: number
  /** Median absolute deviation of the pairs' ratios, in percent of the median. */
  readonly spread: number
  /** Milliseconds of a call, median over the blocks. */
  readonly a: number
  readonly b: number
  /** Calls of a block, the same in both. */
  readonly calls: number
}

/**
 * Blocks in turns: a b, b a, a b, … Both blocks of a pair make the same calls; the side that begins
 * changes, so that a machine that grows slower favours neither.
 * @param now a clock, in milliseconds
 */
export async function compareBlocks(
  a: Block,
  b: Block,
  { warmupMs, blockMs, pairs }: PairBudget,
  now: () => number = () => performance.now(),
): Promise<Comparison> {
  const time = async (block: Block, first: number, calls: number): Promise<number> => {
    const start = now()
    await block(first, calls)
    return now() - start
  }
  /** Milliseconds of a call, behind the warm-up. */
  const warm = async (block: Block): Promise<number> => {
    let [spent, calls, last] = [0, 1, 0]
    for (let first = 0; first === 0 || spent < warmupMs; first += calls, calls *= 2) {
      last = (await time(block, first, calls)) / calls
      spent += last * calls
    }
    return last
  }
  const mean = ((await warm(a)) + (await warm(b))) / 2
  const calls = Math.max(1, Math.round(blockMs / mean))
  const times = { a: [] as number[], b: [] as number[] }
  for (let pair = 0; pair < pairs; pair++)
    for (const side of pair % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const))
      times[side].push((await time(side === 'a' ? a : b, pair * calls, calls)) / calls)
  const ratios = times.a.map((t, i) => t / times.b[i])
  const ratio = medianOf(ratios)
  return {
    ratio,
    spread: (100 * medianOf(ratios.map((r) => Math.abs(r - ratio)))) / ratio,
    a: medianOf(times.a),
    b: medianOf(times.b),
    calls,
  }
}
