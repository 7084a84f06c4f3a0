/**
 * Two ways to do the same work, in turns: what disturbs the machine for a while disturbs both, and
 * their ratio stays.
 */
import { median as medianOf } from '../src/median.js'

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

export interface TurnsBudget {
  /** Least time of either side before anything counts. */
  readonly warmupMs: number
  /**
   * About how long a block takes, mean of both sides, if a call is not longer. Short blocks are
   * robust: what takes the processor away hits few of the rounds, and the median does not see it.
   */
  readonly blockMs: number
  /** How long to measure, in milliseconds and rounds; whichever takes longer. */
  readonly measureMs: number
  readonly minRounds: number
}

export const thoroughTurns: TurnsBudget = {
  warmupMs: 300,
  blockMs: 1,
  measureMs: 2000,
  minRounds: 11,
}
export const quickTurns: TurnsBudget = {
  warmupMs: 20,
  blockMs: 0.5,
  measureMs: 20,
  minRounds: 5,
}

export interface Comparison {
  /** Median over the rounds of the time of a, divided by that of b. */
  readonly ratio: number
  /** Median absolute deviation of the rounds' ratios, in percent of the median. */
  readonly spread: number
  /** Milliseconds of a call, median over the rounds. */
  readonly a: number
  readonly b: number
  /** Calls of a block, the same in both. */
  readonly calls: number
  readonly rounds: number
}

/**
 * Blocks in turns: a b b a, a b b a, … All blocks of a round make the same calls. A machine that
 * grows slower favours neither side.
 * @param now a clock, in milliseconds
 */
export async function compareBlocks(
  a: Block,
  b: Block,
  { warmupMs, blockMs, measureMs, minRounds }: TurnsBudget,
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
  const rounds = Math.max(minRounds, Math.round(measureMs / (4 * calls * mean)))
  const times = { a: [] as number[], b: [] as number[] }
  for (let round = 0; round < rounds; round++) {
    const sums = { a: 0, b: 0 }
    for (const side of ['a', 'b', 'b', 'a'] as const)
      sums[side] += await time(side === 'a' ? a : b, round * calls, calls)
    times.a.push(sums.a / 2 / calls)
    times.b.push(sums.b / 2 / calls)
  }
  const ratios = times.a.map((t, i) => t / times.b[i])
  const ratio = medianOf(ratios)
  return {
    ratio,
    spread: (100 * medianOf(ratios.map((r) => Math.abs(r - ratio)))) / ratio,
    a: medianOf(times.a),
    b: medianOf(times.b),
    calls,
    rounds,
  }
}
