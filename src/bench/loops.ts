/** Calls in a loop: measured in a process of their own, and written as rows and entries. */

import { availableParallelism } from 'node:os'
import { median } from '../base/numbers.js'
import type { Selection } from './benchmark.js'
import { ownRoot } from './compare/builds.js'
import { jobOf, PATIENCE } from './compare/options.js'
import { type Measured, runChild } from './compare/process.js'
import { bestRate, marksOf } from './conditions.js'
import type { Weights } from './networks.js'
import { deviation, digits, emptyReport, percent, type Report, tableOf, time } from './report.js'

/** Milliseconds for each benchmark. */
const [EACH_MS, QUICK_MS] = [800, 100]
/** Rounds that scatter by more percent are noise. */
const NOISY = 10
/** What a measurement may be off, as a share of itself, before it is called impossible. */
const ERROR = 0.05
/** Rates of a limit that differ by more from one end of a measurement to its other say nothing. */
const LIMIT_RANGE = 2

/** A figure, or why there is none. */
export type Figure = { readonly value: number } | { readonly refused: string }

/**
 * Share of a limit, 0…1. A busy machine must not make a kernel faster than its limit.
 *
 * @param rate of the kernel
 * @param looks at the limit, before and behind it, in the same unit
 */
export function shareOf(rate: number, looks: readonly number[]): Figure {
  if (![rate, ...looks].every((value) => value > 0 && Number.isFinite(value)))
    return { refused: 'nothing was measured' }
  const range = Math.max(...looks) / Math.min(...looks)
  if (range > LIMIT_RANGE)
    return { refused: `the limit itself changed by a factor of ${range.toFixed(1)}` }
  const share = (rate * looks.length) / looks.reduce((a, b) => a + b, 0)
  return share > 1 + ERROR
    ? { refused: 'faster than the limit beside it: the machine was disturbed' }
    : { value: Math.min(1, share) }
}

/** Median, and the median absolute deviation in percent of it. */
export function summarise(samples: readonly number[]) {
  const middle = median(samples)
  const spread = (100 * median(samples.map((ms) => Math.abs(ms - middle)))) / middle
  return { median: middle, best: Math.min(...samples), spread, samples: samples.length }
}

interface Context {
  readonly selection: Selection
  /** That processes leave to each other. */
  readonly weights: Weights
  readonly title: string
  readonly label: string
  readonly note: readonly string[]
  progress(text: string): void
  readonly signal?: AbortSignal
}

/** Measures benchmarks of this build, those behind one that fails too. */
export async function measureEach(names: readonly string[], context: Context): Promise<Report> {
  const { selection, title, note, label, weights, signal, progress } = context
  const eachMs = selection.quick ? QUICK_MS : EACH_MS
  const measured: Measured[] = []
  const report = emptyReport()
  const isOpen = (name: string): boolean =>
    !report.failed.has(name) && !measured.some((one) => one.name === name)
  const shared = { ...(await jobOf({ selection }, [ownRoot()], false)), weights }
  for (let open = names; open.length > 0 && !signal?.aborted; open = open.filter(isOpen)) {
    const job = { ...shared, names: open, measured: {}, seconds: 0, eachMs, seed: 1 }
    const options = { patienceMs: 1000 * PATIENCE, onBegin: progress, signal }
    const outcome = await runChild(job, options)
    measured.push(...outcome.measured)
    for (const [name, why] of outcome.failed)
      report.failed.set(name, `bench "${name}" failed: ${why}`)
    if (outcome.isWhole) break
  }
  const best = bestRate(measured)
  const rows = measured
    .toSorted((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
    .map((one) => rowOf(one, best))
  for (const { name, ms, spread, rate, unit, extra } of rows) {
    const entry = { name, range: deviation(spread), extra: [...extra, label].join('\n') }
    report.smallerIsBetter.push({ ...entry, unit: 'ms', value: ms })
    if (rate !== undefined) report.biggerIsBetter.push({ ...entry, unit, value: rate })
  }
  const columns = head.map((name, i) => [name, ({ cells }: Row) => cells[i]] as const)
  if (rows.length > 0) report.tables.push(tableOf(title, note, columns, rows, lesser))
  return report
}

const head = [
  'benchmark',
  'time',
  'spread',
  'rate, usual work',
  'of limit',
  'limit beside',
  'density',
  'conditions',
]
const lesser = ['limit beside', 'spread', 'density', 'conditions']

type Row = ReturnType<typeof rowOf>

function rowOf(measured: Measured, best: number) {
  const { name, times, densities, work, threads = 1, looks, limitUnit } = measured
  const { median: ms, spread, best: fastest, samples } = summarise(times[0])
  const rate = work && (1000 * work.amount) / ms
  const unit = `${work?.unit}/s`
  const limit = work?.limit
  const least = (1000 * (work?.least ?? work?.amount ?? 0)) / ms / threads
  const share = looks && shareOf(least, looks)
  const shareText = share && ('value' in share ? `${percent(share.value)} of ${limit}` : '–')
  const beside = looks ? `${digits(median(looks) * threads)} ${limitUnit}` : ''
  const [density = ''] = densities
  const conditions = [
    ...marksOf([measured], best, spread > NOISY),
    ...(threads > availableParallelism() ? ['more threads than processors'] : []),
    ...(share && 'refused' in share ? [`no share: ${share.refused}`] : []),
  ].join(', ')
  const rateText = rate === undefined ? '' : `${digits(rate)} ${unit}`
  const cells = [name, time(ms), deviation(spread), rateText, shareText ?? '', beside, density]
  const extra = [
    shareText?.replace('–', ''),
    `fastest ${digits(fastest)} ms, ${samples} rounds`,
    density,
    conditions,
    `${threads} ${threads > 1 ? 'threads' : 'thread'}`,
  ].filter((text) => text)
  return { name, ms, spread, rate, unit, extra, cells: [...cells, conditions] }
}
