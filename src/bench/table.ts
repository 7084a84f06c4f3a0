/** Benchmarks that are calls in a loop: measured, and written as rows and entries. */
import { availableParallelism } from 'node:os'
import { SpikewasmError } from '../errors.js'
import type { Benchmark, Build, Limit, Prepared, Work } from './benchmark.js'
import { isRefused, marksOf } from './figures.js'
import type { Group, Progress } from './group.js'
import { type Against, type Budget, type Measured, measureBeside } from './measure.js'
import { byteAdds, eventAdds, type LimitRate, memoryMoves, multiplyAdds } from './peak.js'
import {
  addReport,
  deviation,
  digits,
  type Entry,
  emptyReport,
  failureOf,
  percent,
  type Report,
  time,
} from './report.js'

/** A benchmark and its figures. */
export interface Result {
  readonly benchmark: Pick<Benchmark, 'name' | 'threads'>
  readonly measured: Measured
  readonly work: Work | undefined
  readonly density: string
}

const limits: Record<Exclude<Limit, 'memory'>, () => LimitRate> = {
  'multiply-add': multiplyAdds,
  'event-adds': eventAdds,
  'byte-adds': byteAdds,
}

/** What a benchmark is held against; undefined: nothing, only its time counts. */
function againstOf(work: Work | undefined, threads: number): Against | undefined {
  if (work?.limit === undefined) return undefined
  const { amount, least = amount, limit, written } = work
  if (!(least > 0)) return undefined
  if (limit !== 'memory') return { work: least, limit: limits[limit](), threads }
  // Threads share the memory, but have caches of their own: no pass of one thread is their limit.
  return threads > 1
    ? undefined
    : { work: least, limit: memoryMoves(1e9 * least, written), threads }
}

/**
 * Prepares a benchmark, measures it, and lets its memory go.
 * @param alive called now and then meanwhile
 * @throws SpikewasmError that names a benchmark of the user's own when it throws
 */
export async function measureBenchmark(
  benchmark: Benchmark,
  build: Build,
  budget: Budget,
  alive?: () => Promise<void>,
): Promise<Result> {
  try {
    return await measurePrepared(benchmark, await benchmark.prepare(build), budget, alive)
  } catch (error) {
    if (benchmark.section !== 'own' || error instanceof SpikewasmError) throw error
    throw new SpikewasmError(
      `bench "${benchmark.name}" must run without an error, got ${String(error)}; mend the ` +
        'function, or leave it out with --filter',
      { cause: error },
    )
  }
}

async function measurePrepared(
  benchmark: Benchmark,
  prepared: Prepared,
  budget: Budget,
  alive?: () => Promise<void>,
): Promise<Result> {
  const { threads = 1, section } = benchmark
  try {
    const workOf = (): Work | undefined => prepared.work ?? benchmark.work
    const { conditions, ...figures } = await measureBeside(
      () => prepared.run(),
      budget,
      () => againstOf(workOf(), threads),
      // What others have written may wait.
      threads === 1 && section !== 'own',
      alive,
    )
    const crowded = threads > availableParallelism()
    const measured = { ...figures, conditions: { ...conditions, crowded } }
    return { benchmark, measured, work: workOf(), density: prepared.density ?? '' }
  } finally {
    await prepared.dispose?.()
  }
}

/** Work in a second, by the median call. */
const rateOf = ({ measured, work }: Result): number =>
  work === undefined ? Number.NaN : (1000 * work.amount) / measured.timing.median

const rateText = (result: Result): string =>
  result.work === undefined ? '' : `${digits(rateOf(result))} ${result.work.unit}/s`

function shareText({ measured: { share }, work }: Result): string {
  if (share === undefined) return ''
  return isRefused(share) ? '–' : `${percent(share.value)} of ${work?.limit}`
}

const units: Record<Limit, string> = {
  'multiply-add': 'GFLOP/s',
  'event-adds': 'GSOP/s',
  'byte-adds': 'GSOP/s',
  memory: 'GB/s',
}

/** The limit as it was beside the row, of all threads. */
function limitText({ benchmark, measured: { limitRate }, work }: Result): string {
  if (limitRate === undefined || work?.limit === undefined) return ''
  return `${digits(limitRate * (benchmark.threads ?? 1))} ${units[work.limit]}`
}

/** What is wrong with a row's conditions, and why a figure is missing. */
function remarks({ measured: { conditions, share } }: Result): string {
  const marks = marksOf(conditions)
  if (share === undefined || !isRefused(share)) return marks
  return [marks, `no share: ${share.refused}`].filter((text) => text !== '').join(', ')
}

const head = ['benchmark', 'time', 'spread', 'rate, usual work', 'of limit', 'first', 'cold']
const lesser = ['cold', 'limit beside', 'first', 'spread', 'density', 'conditions']

/** Columns that are left out where no row has anything in them. */
const optional = [
  ['limit beside', limitText],
  ['density', (result: Result) => result.density],
  ['conditions', remarks],
] as const

/** Results as one table and entries for machines. */
export function reportResults(
  title: string,
  notes: readonly string[],
  results: readonly Result[],
  label: string,
): Report {
  const report = emptyReport()
  const more = optional.filter(([, text]) => results.some((result) => text(result) !== ''))
  const rows = results.map((result) => {
    const { timing } = result.measured
    return [
      result.benchmark.name,
      time(timing.median),
      deviation(timing.spread),
      rateText(result),
      shareText(result),
      time(timing.first),
      time(timing.cold),
      ...more.map(([, text]) => text(result)),
    ]
  })
  report.tables.push({ title, notes, head: [...head, ...more.map(([name]) => name)], rows, lesser })
  for (const result of results) addEntries(report, result, label)
  return report
}

function addEntries(report: Report, result: Result, label: string): void {
  const { benchmark, measured, work, density } = result
  const { timing } = measured
  const extra = [
    shareText(result).replace('–', ''),
    `first call ${digits(timing.first)} ms, cold tier ${digits(timing.cold)} ms, fastest ` +
      `${digits(timing.best)} ms, ${timing.samples} samples`,
    `p75 ${digits(timing.p75)} ms, p99 ${digits(timing.p99)} ms, max ${digits(timing.longest)} ms`,
    density,
    remarks(result),
    `${benchmark.threads ?? 1} ${(benchmark.threads ?? 1) > 1 ? 'threads' : 'thread'}`,
    label,
  ].filter((text) => text !== '')
  const shared: Pick<Entry, 'name' | 'range' | 'extra'> = {
    name: benchmark.name,
    range: deviation(timing.spread),
    extra: extra.join('\n'),
  }
  report.smallerIsBetter.push({ ...shared, unit: 'ms', value: timing.median })
  const marks = marksOf(measured.conditions)
  if (marks !== '') report.marks.set(benchmark.name, marks)
  if (work !== undefined && work.amount > 0)
    report.biggerIsBetter.push({ ...shared, unit: `${work.unit}/s`, value: rateOf(result) })
}

/** Kernels that share a table: what their op begins with. */
const families: readonly (readonly [title: string, ops: RegExp])[] = [
  ['conv2d', /^conv2d$/],
  ['gradients of conv2d', /^conv2d/],
  ['linear and matmul', /^(linear|matmul)/],
  ['neurons', /^(lif|trace$|timeSum$)/],
]

/** The op that a name begins with, or its family. */
function tableOf({ name, section }: Benchmark): string {
  const op = name.split(' ', 1)[0]
  if (section !== 'kernels') return op
  return families.find(([, ops]) => ops.test(op))?.[0] ?? 'other passes'
}

/**
 * Groups of benchmarks: those of related ops.
 *
 * @param notes what columns mean, above the first table
 */
export function benchmarkGroups(
  benchmarks: readonly Benchmark[],
  build: () => Promise<Build>,
  budget: Budget,
  label: string,
  notes: readonly string[],
): Group[] {
  const parts = new Map<string, Benchmark[]>()
  for (const benchmark of benchmarks) {
    const op = tableOf(benchmark)
    const part = parts.get(op)
    if (part) part.push(benchmark)
    else parts.set(op, [benchmark])
  }
  return [...parts].map(([op, part], i) => {
    const [{ section }] = part
    return {
      section,
      names: part.map((benchmark) => benchmark.name),
      run: async (wanted, progress: Progress, signal) => {
        const report = emptyReport()
        const results: Result[] = []
        for (const benchmark of part.filter((each) => wanted.has(each.name))) {
          // Signals and rejected promises are heard of between two turns of the event loop.
          await new Promise((done) => void setImmediate(done))
          if (signal?.aborted) break
          progress(benchmark.name)
          try {
            results.push(await measureBenchmark(benchmark, await build(), budget))
          } catch (error) {
            report.failed.set(benchmark.name, failureOf(benchmark.name, error))
          }
        }
        if (results.length > 0)
          addReport(
            report,
            reportResults(`${section}: ${op}`, i === 0 ? notes : [], results, label),
          )
        return report
      },
    }
  })
}
