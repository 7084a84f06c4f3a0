/** Measures of one's own, of all answers of an evaluation. */

import { describe, fail, SpikewasmError } from '../base/errors.js'

/** Answers of a network, and what was wanted. Not to be changed. */
export interface MetricInput {
  /** Means over time, [count, classes]; with targets by step those of each, [count, T, classes]. */
  readonly outputs: Float32Array
  /** Class of the greatest output, [count], or [count, T]. */
  readonly predictions: Int32Array
  /** Right classes, [count] or [count, T], −1 where ignored; absent where targets are numbers. */
  readonly labels?: Int32Array
  /** Wanted numbers, as many as outputs; absent where targets are classes. */
  readonly targets?: Float32Array
  /** Samples. */
  readonly count: number
}

/** Answers to a batch, and what was wanted, by row. */
export type Rows = Omit<MetricInput, 'count'>

/** A measure that is gathered batch by batch. */
export interface RunningMetric {
  /** Before the first batch of an evaluation. */
  start(): void
  /** Takes the answers to a batch. */
  add(batch: MetricInput): void
  /** The measure of all batches since `start`. */
  result(): number
}

/**
 * A measure of all answers of an evaluation: a function, which is called once with all of them, or
 * an object that takes them batch by batch and keeps what it needs.
 */
export type Metric = ((all: MetricInput) => number) | RunningMetric

/** Metrics by name. */
export type Metrics = Readonly<Record<string, Metric>>

/** What evaluations and records call their own figures. */
const taken = /^(loss|accuracy|meanAbsoluteError|confusion|perClass|topK|(train|test)[A-Z]\w*)$/

const isRunning = (metric: unknown): boolean =>
  ['start', 'add', 'result'].every(
    (key) => typeof (metric as Record<string, unknown> | null)?.[key] === 'function',
  )

/** @throws SpikewasmError unless it is an object of metrics under names of their own */
export function checkMetrics(name: string, metrics: Metrics): void {
  if (typeof metrics !== 'object' || metrics === null || Array.isArray(metrics))
    fail(`${name} must be an object of metrics by name, got ${describe(metrics)}`)
  for (const [key, metric] of Object.entries(metrics)) {
    if (key === '' || taken.test(key))
      fail(`${name} must have names of their own, got '${key}', which is a figure; rename it`)
    if (typeof metric !== 'function' && !isRunning(metric))
      fail(
        `${name}.${key} must be a function of all answers, or an object with start(), ` +
          `add(batch) and result(), got ${describe(metric)}`,
      )
  }
}

/** @throws SpikewasmError with the metric's name, and the stack, of what it throws */
function called<T>(name: string, run: () => T): T {
  try {
    return run()
  } catch (error) {
    const isError = error instanceof Error
    const what = `metric ${name}: `
    const named = new SpikewasmError(`${what}${isError ? error.message : error}`, { cause: error })
    if (isError) named.stack = what + error.stack
    throw named
  }
}

/** The arrays of one name of all batches, one behind the other. */
function joined<A extends Float32Array | Int32Array>(
  batches: readonly Rows[],
  key: keyof Rows,
  Kind: new (length: number) => A,
): A {
  const parts = batches.flatMap((batch) => (batch[key] as A | undefined) ?? [])
  const all = new Kind(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** Keeps all batches for a function. */
function gathering(of: (all: MetricInput) => number): RunningMetric {
  let batches: MetricInput[] = []
  return {
    start() {
      batches = []
    },
    add: (batch) => void batches.push(batch),
    result() {
      const labels = joined(batches, 'labels', Int32Array)
      const targets = joined(batches, 'targets', Float32Array)
      return of({
        outputs: joined(batches, 'outputs', Float32Array),
        predictions: joined(batches, 'predictions', Int32Array),
        ...(labels.length > 0 && { labels }),
        ...(targets.length > 0 && { targets }),
        count: batches.reduce((sum, { count }) => sum + count, 0),
      })
    },
  }
}

/** Metrics of one evaluation. */
export function startMetrics(metrics: Metrics = {}) {
  const all = Object.entries(metrics).map(
    ([name, metric]) => [name, typeof metric === 'function' ? gathering(metric) : metric] as const,
  )
  for (const [name, metric] of all) called(name, () => metric.start())
  return {
    add(rows: Rows, count: number): void {
      for (const [name, metric] of all) called(name, () => metric.add({ ...rows, count }))
    },
    /** @throws SpikewasmError for what is no number */
    result(): { readonly metrics?: Record<string, number> } {
      if (all.length === 0) return {}
      const found = all.map(([name, metric]) => {
        const value: unknown = called(name, () => metric.result())
        if (typeof value !== 'number')
          fail(`metric ${name} must give a number, got ${describe(value)}`)
        return [name, value] as const
      })
      return { metrics: Object.fromEntries(found) }
    },
  }
}
