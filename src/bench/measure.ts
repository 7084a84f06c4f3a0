/**
 * Times of one call: the first, the next few in V8's first tier, and the steady state, never mixed.
 */
import { Bench } from 'tinybench'
import { median } from '../median.js'
import { type Conditions, type Figure, shareOf } from './figures.js'
import { watchTaken } from './others.js'
import { type LimitRate, multiplyAdds } from './peak.js'

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
  /** So many percent of the calls took less; and the longest. */
  readonly p75: number
  readonly p99: number
  readonly longest: number
}

/** How long to measure, in milliseconds and calls; whichever takes longer. */
export interface Budget {
  readonly warmupMs: number
  readonly measureMs: number
  readonly minCalls: number
}

export const thorough: Budget = { warmupMs: 300, measureMs: 500, minCalls: 5 }
export const quick: Budget = { warmupMs: 40, measureMs: 60, minCalls: 3 }

/** Calls that are shorter are timed in groups: the clock would be a part of their time. */
const SHORT_MS = 0.02
/**
 * A call that takes longer has been optimised within itself, by the time it ends: it is repeated
 * less often.
 */
const LONG_MS = 1500

type Call = () => unknown

/** A call of a benchmark; `group` of them, where one is too short for the clock. */
class Timed {
  readonly early: number[] = []
  private group = 1
  private isLong = false
  private isAsync = false
  readonly samples: number[] = []

  constructor(private readonly call: Call) {}

  /** The first call and the next ones. */
  async start(alive?: () => Promise<void>): Promise<void> {
    for (let i = 0; i < 4 && (i < 2 || this.early[1] < LONG_MS); i++) {
      const start = performance.now()
      const result = this.call()
      if (result instanceof Promise) {
        this.isAsync = true
        await result
      }
      this.early.push(performance.now() - start)
      await alive?.()
    }
    this.isLong = this.early[1] >= LONG_MS
    this.regroup(Math.min(...this.early))
  }

  /** Behind the warm-up: forgets its samples, and times groups of the calls that are short now. */
  settle(): void {
    const fastest = this.samples.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY)
    this.samples.length = 0
    this.regroup(fastest)
  }

  private regroup(ms: number): void {
    if (this.isAsync || ms >= SHORT_MS) return
    this.group = Math.ceil((2 * SHORT_MS) / Math.max(ms, SHORT_MS / 1000))
  }

  /** Calls for a part of the budget; their times are added to the samples. */
  async run(warmupMs: number, { measureMs, minCalls }: Budget, parts: number): Promise<void> {
    const bench = new Bench({
      warmup: warmupMs > 0 && !this.isLong,
      warmupTime: warmupMs,
      // Some calls are behind it already.
      warmupIterations: 1,
      time: this.isLong ? 0 : measureMs / parts,
      iterations: this.isLong ? 1 : Math.ceil(minCalls / parts),
      throws: true,
      retainSamples: true,
    })
    const { call, group } = this
    if (this.isAsync) {
      bench.add('call', async () => void (await call()))
      await bench.run()
    } else {
      bench.add('call', () => {
        for (let i = 0; i < group; i++) call()
      })
      bench.runSync()
    }
    const { result } = bench.tasks[0]
    if (!('latency' in result)) throw new Error(`the benchmark ended as ${result.state}`)
    for (const ms of result.latency.samples ?? []) this.samples.push(ms / group)
  }

  timing(): Timing {
    const [first, ...next] = this.early
    return { first, cold: median(next), ...summarise(this.samples) }
  }
}

/** Median, spread, order and number of samples. */
export function summarise(samples: readonly number[]): Omit<Timing, 'first' | 'cold'> {
  const middle = median(samples)
  const sorted = samples.toSorted((a, b) => a - b)
  const rank = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  const deviation = median(samples.map((ms) => Math.abs(ms - middle)))
  return {
    median: middle,
    best: sorted[0] ?? Number.NaN,
    spread: (100 * deviation) / middle,
    samples: samples.length,
    p75: rank(0.75),
    p99: rank(0.99),
    longest: rank(1),
  }
}

/** What a call is held against. */
export interface Against {
  /** Work of a call that counts, in 1e9 units of the limit. */
  readonly work: number
  readonly limit: LimitRate
  /** Threads that share the work. */
  readonly threads: number
}

export interface Measured {
  readonly timing: Timing
  readonly conditions: Conditions
  /** Undefined where there is nothing to hold it against. */
  readonly share?: Figure
  /** Rate of the limit beside it, in the limit's unit. */
  readonly limitRate?: number
}

/** Parts of a measurement, with looks at the limit between them. */
const PARTS = 4

/**
 * Times a call, and the machine beside it: the limit and the multiply-add loop take turns with it.
 *
 * @param againstOf asked behind the first calls; undefined: the time alone
 * @param neverWaits whether a call has its processor all the time, if nobody takes it away
 * @param alive called behind each part of the measurement
 */
export async function measureBeside(
  call: Call,
  budget: Budget,
  againstOf: () => Against | undefined = () => undefined,
  neverWaits = false,
  alive?: () => Promise<void>,
): Promise<Measured> {
  const timed = new Timed(call)
  const speed = multiplyAdds()
  await timed.start(alive)
  await timed.run(budget.warmupMs, { measureMs: 0, minCalls: 1, warmupMs: 0 }, 1)
  timed.settle()
  await alive?.()
  const watched = watchTaken()
  const rates: number[] = []
  const against = againstOf()
  const limit = against?.limit
  const looks = limit ? [limit.look()] : []
  const speeds = [limit === speed ? looks[0] : speed.look()]
  for (let part = 0; part < PARTS; part++) {
    const from = timed.samples.length
    await timed.run(0, budget, PARTS)
    await alive?.()
    if (limit) looks.push(limit.look())
    speeds.push(limit === speed ? looks[looks.length - 1] : speed.look())
    if (!against) continue
    const { work, threads } = against
    rates.push((1000 * work) / threads / median(timed.samples.slice(from)))
  }
  const timing = timed.timing()
  const { others, away, quota } = watched()
  return {
    timing,
    conditions: {
      others,
      quota,
      speed: median(speeds) / speed.best,
      spread: timing.spread,
      ...(neverWaits && { away }),
    },
    ...(against && { share: shareOf(rates, looks), limitRate: median(looks) }),
  }
}
