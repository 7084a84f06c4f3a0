/**
 * Times of one call: the first, the next few in V8's first tier, and the steady state, never mixed.
 */
import { Bench } from 'tinybench'

/** Milliseconds of a call. */
export interface Timing {
  /** The first call: compilation, cold caches, memory touched for the first time. */
  readonly first: number
  /**
   * Median of the three calls behind it (one where calls are long), while V8 may still be
   * optimising.
   */
  readonly cold: number
  /**
   * Steady state, behind the warm-up: median, fastest, and median absolute deviation in percent of
   * the median.
   */
  readonly median: number
  readonly best: number
  readonly spread: number
  readonly samples: number
}

/** How long to measure, in milliseconds and calls; whichever takes longer. */
export interface Budget {
  readonly warmupMs: number
  readonly measureMs: number
  readonly minCalls: number
}

export const thorough: Budget = { warmupMs: 300, measureMs: 500, minCalls: 5 }
export const quick: Budget = { warmupMs: 60, measureMs: 60, minCalls: 3 }

export function medianOf(values: readonly number[]): number {
  const sorted = values.slice().sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function bench(budget: Budget): Bench {
  return new Bench({
    warmup: budget.warmupMs > 0,
    warmupTime: budget.warmupMs,
    // Four calls are behind it already.
    warmupIterations: 1,
    time: budget.measureMs,
    iterations: budget.minCalls,
    throws: true,
  })
}

function timing(first: number, next: readonly number[], { tasks }: Bench): Timing {
  const { result } = tasks[0]
  if (!('latency' in result)) throw new Error(`the benchmark ended as ${result.state}`)
  const { p50, min, mad, samplesCount } = result.latency
  return {
    first,
    cold: medianOf(next),
    median: p50,
    best: min,
    spread: (100 * mad) / p50,
    samples: samplesCount,
  }
}

/** Times a function that has never run in this form. */
export function measure(call: () => void, budget: Budget): Timing {
  const once = (): number => {
    const start = performance.now()
    call()
    return performance.now() - start
  }
  const [first, ...next] = [once(), once(), once(), once()]
  const b = bench(budget)
  b.add('call', () => void call())
  b.runSync()
  return timing(first, next, b)
}

/**
 * A call that takes longer has been optimised within itself, by the time it ends: it is repeated
 * less often.
 */
const LONG_MS = 1500

export async function measureAsync(call: () => Promise<unknown>, budget: Budget): Promise<Timing> {
  const next: number[] = []
  for (let i = 0; i < 4 && (i < 2 || next[1] < LONG_MS); i++) {
    const start = performance.now()
    await call()
    next.push(performance.now() - start)
  }
  const isLong = next[1] >= LONG_MS
  const b = bench(isLong ? { warmupMs: 0, measureMs: 0, minCalls: 2 } : budget)
  b.add('call', async () => void (await call()))
  await b.run()
  return timing(next[0], next.slice(1), b)
}
