/** Runs the sections of a selection; tables are handed out as soon as their group is measured. */

import { availableParallelism, cpus, loadavg } from 'node:os'
import { fail, SpikewasmError } from '../base/errors.js'
import { median } from '../base/numbers.js'
import { VERSION } from '../base/version.js'
import type { Selection } from './benchmark.js'
import { listBenchmarks } from './cases/index.js'
import { ownRoot } from './compare/builds.js'
import { jobOf, PATIENCE } from './compare/options.js'
import { type Measured, runChild } from './compare/process.js'
import { bestRate, marksOf } from './conditions.js'
import { memoryGroups } from './memory.js'
import type { Weights } from './networks.js'
import { limits, memoryMoves } from './peak.js'
import {
  addReport,
  deviation,
  digits,
  emptyReport,
  type Group,
  type Progress,
  percent,
  type Report,
  type ResultTable,
  tableOf,
  time,
} from './report.js'

// Calls in a loop: measured in a process of their own, and written as rows and entries.

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

/** What the columns of a section's first table mean. */
const notes: Readonly<Record<string, string>> = {
  kernels:
    'time: median of rounds behind a warm-up. of limit: the least work that the call needs, of ' +
    'the limit beside it. rate: of the usual work, GFLOP as dense, GSOP with 1e9 additions of a ' +
    'weight for a spike. Neurons with equal spikes share additions, and Winograd leaves products ' +
    'out: so a rate may be above the limit, of which only the work that is left takes a share.',
  steps:
    'A step is trainStep at learning rate 0: reordering the batch, forward, backward, update. ' +
    'rate: spikes per neuron and step.',
  inference: 'predict of noise, with weights that have trained a little.',
}

/** Kernels that share a table: what their op begins with. */
const families: readonly (readonly [title: string, ops: RegExp])[] = [
  ['conv2d', /^conv2d /],
  ['gradients of conv2d', /^conv2d/],
  ['linear and matmul', /^(linear|matmul)/],
  ['neurons', /^(lif|trace |timeSum )/],
  ['other passes', /^/],
]

/** The groups of a selection's own sections, in order. */
export function groupsOf(selection: Selection): Group[] {
  const label = machineLabel()
  const parts = new Map<string, string[]>()
  for (const { name, section } of listBenchmarks(selection)) {
    const family = families.find(([, ops]) => ops.test(name))?.[0]
    const title = `${section}: ${section === 'kernels' ? family : name.split(' ', 1)[0]}`
    parts.set(title, [...(parts.get(title) ?? []), name])
  }
  const told = new Set<string>()
  const weights = {}
  return [
    ...[...parts].map(([title, names]): Group => {
      const section = title.split(':', 1)[0]
      return {
        section,
        names,
        run: (wanted, progress, signal) => {
          const chosen = names.filter((name) => wanted.has(name))
          const note = told.has(section) ? [] : [notes[section]]
          told.add(section)
          return measureEach(chosen, { selection, weights, title, label, note, progress, signal })
        },
      }
    }),
    ...(selection.sections.includes('memory') ? memoryGroups(selection, label) : []),
  ]
}

/**
 * Names that contain a text, by group.
 * @throws SpikewasmError when there is none
 */
export function filterGroups(groups: readonly Group[], filter: string | undefined): Set<string> {
  const names = groups.flatMap((group) => group.names)
  const chosen = names.filter((name) => filter === undefined || name.includes(filter))
  if (chosen.length === 0)
    fail(
      `bench.filter must be a part of the name of a benchmark, got ${JSON.stringify(filter)}, ` +
        `which is in none of ${names.length}; --list prints their names`,
    )
  return new Set(chosen)
}

/** Where tables go while more is measured. */
export interface Output {
  table(table: ResultTable): void
  readonly progress: Progress
}

/** Runs groups one after the other; those behind one that fails too. */
export async function runGroups(
  groups: readonly Group[],
  wanted: ReadonlySet<string>,
  output: Output,
  signal?: AbortSignal,
): Promise<Report> {
  const report = emptyReport()
  const chosen = groups.filter(({ names }) => names.some((name) => wanted.has(name)))
  for (const group of chosen) {
    if (signal?.aborted) break
    try {
      const part = await group.run(wanted, output.progress, signal)
      output.progress('')
      for (const table of part.tables) output.table(table)
      addReport(report, part)
    } catch (error) {
      // Nothing else could be lost.
      if (chosen.length === 1 && error instanceof SpikewasmError) throw error
      if (signal?.aborted) break
      for (const name of group.names.filter((one) => wanted.has(one)))
        report.failed.set(name, `bench "${name}" failed: ${(error as Error).message}`)
    }
  }
  return report
}

const processorsText = (count = availableParallelism()): string =>
  `${cpus()[0]?.model.trim() ?? process.arch}, ${count} ${count === 1 ? 'processor' : 'processors'}`

/** The machine in one line, for entries. */
export const machineLabel = (): string => `Node ${process.versions.node}, ${processorsText()}`

/** The same in lines for the head of a report: date, versions, processor, load. */
export function describeMachine(): string[] {
  const load = loadavg()[0]
  return [
    `${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC, spikewasm ` +
      `${VERSION}, Node ${process.versions.node}, V8 ${process.versions.v8}`,
    `${process.platform} ${process.arch}, ${processorsText()}, ` +
      `load ${load.toFixed(2)} at the start`,
    ...(load > 0.5
      ? ['The machine was not idle: expect wider spreads and lower figures than it can reach.']
      : []),
  ]
}

/** What the machine gives one thread at best, now. */
export function peakReport({ quick }: Selection): Report {
  const copies = { '16 KiB': 2 ** 14, '1 MiB': 2 ** 20, '64 MiB': 2 ** 26 }
  const all = [
    ...Object.entries(limits).map(([name, limit]) => [name, limit()] as const),
    ...Object.entries(copies).map(([size, bytes]) => [`copy ${size}`, memoryMoves(bytes)] as const),
  ]
  const [looks, mostMs] = quick ? [5, 100] : [50, 5000]
  for (const [, limit] of all) {
    const end = performance.now() + mostMs
    for (let i = 0; i < looks && (i === 0 || performance.now() < end); i++) limit.look()
  }
  const extra = `1 thread\n${machineLabel()}`
  return {
    ...emptyReport(),
    tables: [
      {
        title: "Limits: the machine's peak",
        notes: [
          'One thread, the best of many short looks. multiply-add: in registers. event-adds: ' +
            'weights from the nearest cache, as kernels on spikes add them; byte-adds: of one ' +
            'byte each. copy: bytes read and written together.',
          'Rows below are held against looks that were taken beside them.',
        ],
        head: ['limit', 'rate'],
        rows: all.map(([name, { best, unit }]) => [name, `${digits(best)} ${unit}`]),
      },
    ],
    biggerIsBetter: all.map(([name, { best, unit }]) => {
      return { name: `peak ${name}`, unit, value: best, extra }
    }),
  }
}
