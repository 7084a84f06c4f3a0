/** What a comparison says: a table for people, entries for machines, an exit code for scripts. */
import { median } from '../../median.js'
import { digits, type Entry, type ResultTable } from '../report.js'
import type { Campaign, Row } from './campaign.js'
import type { Interval } from './statistics.js'
import type { Verdict } from './verdict.js'

export interface ComparisonResult {
  readonly table: ResultTable
  /** Times of this build, and their ratio to the other one: smaller is better. */
  readonly entries: readonly Entry[]
  /** What disturbed an entry, by its name, separated by commas. */
  readonly marks: ReadonlyMap<string, string>
  /** 0: nothing is slower, or it is not decided. 1: something is slower. 2: something failed. */
  readonly exitCode: 0 | 1 | 2
  /** What the table does not show, one sentence a line: skipped, failed, disturbed. */
  readonly notes: readonly string[]
}

/** The two sides in words. */
export interface Sides {
  readonly mine: string
  readonly other: string
  /** Milliseconds of the other side, where they are not in the rows. */
  otherMs?(name: string): number | undefined
  /** Its density of spikes, where that is not in the rows. */
  otherDensity?(name: string): string | undefined
  /** Names that only the other side has. */
  readonly missing?: readonly string[]
  readonly threshold: number
}

/** Ratios in percent of change: +5.0 %. */
export function change(effect: number): string {
  if (!Number.isFinite(effect)) return '?'
  const value = 100 * Math.expm1(effect)
  const text = Math.abs(value).toFixed(Math.abs(value) < 99.95 ? 1 : 0)
  return `${Number(text) === 0 ? '' : value < 0 ? '−' : '+'}${text} %`
}

const describeInterval = (found: Interval | undefined): string =>
  found === undefined || !Number.isFinite(found.low)
    ? '–'
    : `${change(found.low)} … ${change(found.high)}`

const msOf = ({ measured }: Row, side: number): number | undefined => {
  const times = measured.flatMap((one) => (one.times[side] ? [median(one.times[side])] : []))
  return times.length > 0 ? median(times) : undefined
}

const densityOf = ({ measured }: Row, side: number): string | undefined =>
  measured.find(({ densities }) => densities[side])?.densities[side]

const order: readonly Verdict[] = ['slower', 'undecided', 'faster', 'same']

/** Share of processors from which on a run was not alone. */
const BUSY = 0.1

export function resultOf(campaign: Campaign, sides: Sides): ComparisonResult {
  const { rows, failed, skipped, others, processes, seconds } = campaign
  const sorted = [...rows].sort(
    (a, b) =>
      order.indexOf(a.verdict) - order.indexOf(b.verdict) ||
      (b.interval?.effect ?? Number.NEGATIVE_INFINITY) -
        (a.interval?.effect ?? Number.NEGATIVE_INFINITY),
  )
  const otherMs = (row: Row): number | undefined => msOf(row, 1) ?? sides.otherMs?.(row.name)
  const limit = `${digits(100 * sides.threshold)} %`
  const table: ResultTable = {
    title: `This build (${sides.mine}) beside the other (${sides.other})`,
    notes: [
      `effect: time of this build beside the other; + is slower. interval: 95 % of it, and more ` +
        `where a verdict says slower or faster. Less than ${limit} counts as the same.`,
      `${processes} processes in ${seconds.toFixed(0)} s. Others took ` +
        `${(100 * others).toFixed(0)} % of the processors.`,
    ],
    head: ['benchmark', 'this ms', 'other ms', 'effect', 'interval', 'verdict', 'marks', 'density'],
    rows: sorted.map((row) => [
      row.name,
      digits(msOf(row, 0) ?? Number.NaN),
      digits(otherMs(row) ?? Number.NaN),
      row.interval ? change(row.interval.effect) : '–',
      describeInterval(row.interval),
      row.verdict,
      row.marks.join(' '),
      densityOf(row, 0) ?? '',
    ]),
  }
  const isSlower = rows.some(({ verdict }) => verdict === 'slower')
  const nothing = !rows.some(({ interval }) => interval !== undefined)
  return {
    table,
    entries: rows.flatMap((row) => entriesOf(row, sides)),
    marks: new Map(
      rows.filter((row) => row.marks.length > 0).map((row) => [row.name, row.marks.join(', ')]),
    ),
    exitCode: failed.size > 0 || nothing ? 2 : isSlower ? 1 : 0,
    notes: [
      ...notesOf(sorted, limit),
      ...sorted.flatMap((row) => differenceOf(row, sides)),
      ...[...skipped].map(([name, reason]) => `skipped: ${name}: ${reason}`),
      ...(sides.missing ?? []).map((name) => `skipped: ${name}: this build does not have it`),
      ...[...failed].map(([name, reason]) => `failed: ${name}: ${reason}`),
      ...(nothing ? ['Nothing could be compared.'] : []),
      ...(others > BUSY
        ? ['The machine was busy: intervals are wider, and more stays undecided.']
        : []),
    ],
  }
}

/** Builds that do not get the same spikes are not compared by their speed alone. */
function differenceOf(row: Row, { otherDensity }: Sides): string[] {
  const [mine, other] = [densityOf(row, 0), densityOf(row, 1) ?? otherDensity?.(row.name)]
  if (mine === undefined || other === undefined || mine === other) return []
  return [`not the same spikes: ${row.name}: ${mine} in this build, ${other} in the other`]
}

function notesOf(rows: readonly Row[], limit: string): string[] {
  const count = (verdict: Verdict): number => rows.filter((row) => row.verdict === verdict).length
  const slower = rows.filter(({ verdict }) => verdict === 'slower').map(({ name }) => name)
  const summary = order.map((verdict) => `${count(verdict)} ${verdict}`).join(', ')
  const remarks = new Map<string, string[]>()
  for (const { name, remark } of rows)
    if (remark) remarks.set(remark, [...(remarks.get(remark) ?? []), name])
  return [
    `${summary}.${slower.length > 0 ? ` Slower by more than ${limit}: ${slower.join('; ')}.` : ''}`,
    ...[...remarks].map(([remark, names]) => `${remark}: ${names.join('; ')}`),
  ]
}

function entriesOf(row: Row, { other }: Sides): Entry[] {
  const ms = msOf(row, 0)
  if (ms === undefined) return []
  const { interval, verdict, marks, name } = row
  const extra = [
    `beside ${other}: ${interval ? change(interval.effect) : 'nothing to compare with'}` +
      `${interval ? ` (${describeInterval(interval)}), ${verdict}` : ''}`,
    ...(marks.length > 0 ? [`marks: ${marks.join(' ')}`] : []),
    ...(densityOf(row, 0) === undefined ? [] : [densityOf(row, 0)]),
    `${row.measured.length} processes`,
  ].join('\n')
  const time: Entry = { name, unit: 'ms', value: ms, extra }
  if (!interval) return [time]
  const isKnown = Number.isFinite(interval.low)
  const half = (interval.high - interval.low) / 2
  const range = isKnown ? `± ${(100 * Math.expm1(half)).toFixed(1)} %` : undefined
  return [
    time,
    {
      name: `${name} | beside other`,
      unit: 'ratio',
      value: Math.exp(interval.effect),
      range,
      extra,
    },
  ]
}
