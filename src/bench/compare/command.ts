/** The comparing options of `spikewasm bench`, as one call. */

import { fail } from '../../base/errors.js'
import { median } from '../../base/numbers.js'
import { BUSY } from '../conditions.js'
import { digits, type Entry } from '../report.js'
import { type Baseline, compareBaseline, makeBaseline, writeBaseline } from './baseline.js'
import { type BuildFiles, findBuild, nameOf, originOf } from './builds.js'
import { type Campaign, type Row, runCampaign } from './campaign.js'
import * as compare from './options.js'
import type { Measured } from './process.js'
import { estimate, type Interval, type Verdict } from './statistics.js'

// What a comparison says: a table for people, entries for machines, an exit code for scripts.

export type ComparisonResult = Readonly<ReturnType<typeof resultOf>>

/** The two sides in words. */
export interface Sides {
  readonly mine: string
  readonly other: string
  /** What is known of the other side, where it is not in the rows. */
  readonly known?: ReadonlyMap<string, { readonly ms: number; readonly density?: string }>
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

/** Milliseconds and density of a side of a row. */
function sideOf({ name, measured }: Row, side: 0 | 1, { known }: Sides) {
  const times = measured.flatMap((one) => (one.times[side] ? [median(one.times[side])] : []))
  const density = measured.find(({ densities }) => densities[side])?.densities[side]
  const other = side === 1 ? known?.get(name) : undefined
  return { ms: times.length > 0 ? median(times) : other?.ms, density: density ?? other?.density }
}

const order: readonly Verdict[] = ['slower', 'undecided', 'faster', 'same']

const head = 'benchmark, this ms, other ms, effect, interval, verdict, marks, density'.split(', ')

export function resultOf(campaign: Campaign, sides: Sides) {
  const { rows, failed, skipped, others, processes, seconds } = campaign
  const effectOf = ({ interval }: Row): number => interval?.effect ?? Number.NEGATIVE_INFINITY
  const sorted = [...rows].sort(
    (a, b) =>
      order.indexOf(a.verdict) - order.indexOf(b.verdict) ||
      (effectOf(a) === effectOf(b) ? 0 : effectOf(b) - effectOf(a)),
  )
  const limit = `${digits(100 * sides.threshold)} %`
  const nothing = !rows.some(({ interval }) => interval !== undefined)
  const isSlower = rows.some(({ verdict }) => verdict === 'slower')
  return {
    table: {
      title: `This build (${sides.mine}) beside the other (${sides.other})`,
      notes: [
        'effect: time of this build beside the other; + is slower. interval: 95 % of it, and ' +
          `more where a verdict says slower or faster. Less than ${limit} counts as the same.`,
        `${processes} processes in ${seconds.toFixed(0)} s. Others took ` +
          `${(100 * others).toFixed(0)} % of the processors.`,
      ],
      head,
      rows: sorted.map((row) => {
        const [mine, other] = [sideOf(row, 0, sides), sideOf(row, 1, sides)]
        return [
          row.name,
          digits(mine.ms ?? Number.NaN),
          digits(other.ms ?? Number.NaN),
          row.interval ? change(row.interval.effect) : '–',
          describeInterval(row.interval),
          row.verdict,
          row.marks.join(' '),
          mine.density ?? '',
        ]
      }),
    },
    entries: rows.flatMap((row) => entriesOf(row, sides)),
    exitCode: failed.size > 0 || nothing ? 2 : isSlower ? 1 : 0,
    notes: [
      ...notesOf(sorted, limit),
      ...sorted.flatMap((row) => {
        // Builds that do not get the same spikes are not compared by their speed alone.
        const [mine, other] = [0, 1].map((side) => sideOf(row, side as 0 | 1, sides).density)
        if (mine === undefined || other === undefined || mine === other) return []
        return `not the same spikes: ${row.name}: ${mine} in this build, ${other} in the other`
      }),
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

function notesOf(rows: readonly Row[], limit: string): string[] {
  const of = (verdict: Verdict): string[] =>
    rows.filter((row) => row.verdict === verdict).map(({ name }) => name)
  const summary = order.map((verdict) => `${of(verdict).length} ${verdict}`).join(', ')
  const slower = of('slower')
  const remarks = new Set(rows.flatMap(({ remark }) => remark ?? []))
  return [
    `${summary}.${slower.length > 0 ? ` Slower by more than ${limit}: ${slower.join('; ')}.` : ''}`,
    ...[...remarks].map((remark) => {
      const names = rows.filter((row) => row.remark === remark).map(({ name }) => name)
      return `${remark}: ${names.join('; ')}`
    }),
  ]
}

function entriesOf(row: Row, sides: Sides): Entry[] {
  const { interval, verdict, marks, name, measured } = row
  const { ms, density } = sideOf(row, 0, sides)
  if (ms === undefined) return []
  const effect = interval
    ? `${change(interval.effect)} (${describeInterval(interval)}), ${verdict}`
    : 'nothing to compare with'
  const extra = [
    `beside ${sides.other}: ${effect}`,
    ...(marks.length > 0 ? [`marks: ${marks.join(' ')}`] : []),
    ...(density === undefined ? [] : [density]),
    `${measured.length} processes`,
  ].join('\n')
  const time: Entry = { name, unit: 'ms', value: ms, extra }
  if (!interval) return [time]
  const half = (interval.high - interval.low) / 2
  const range = Number.isFinite(half) ? `± ${(100 * Math.expm1(half)).toFixed(1)} %` : undefined
  const value = Math.exp(interval.effect)
  return [time, { name: `${name} | beside other`, unit: 'ratio', value, range, extra }]
}

/** With what to compare; one of the three. */
export interface Comparison {
  /** Folder of another build. */
  readonly against?: string
  /** File to compare with. */
  readonly baseline?: string
  /** File to write. */
  readonly saveBaseline?: string
}

/** Zero would be a time that no clock has seen. */
const logOf = (ms: number): number => Math.log(Math.max(ms, 1e-9))

/** Rounds of a process: log(time of this / time of the other). */
const ratiosOf = ({ times: [mine, theirs] }: Measured): number[] =>
  mine.map((ms, round) => logOf(ms) - logOf(theirs[round]))

/**
 * Compares a build with the one in `folder`.
 * @throws SpikewasmError when the folder holds no built spikewasm, or nothing can be measured
 */
export async function compareAgainst(
  folder: string,
  options: compare.CompareOptions,
): Promise<{ campaign: Campaign; other: BuildFiles }> {
  const other = await findBuild(folder, 'bench.against')
  const campaign = await runCampaign({
    ...compare.courseOf(options),
    job: await compare.jobOf(options, [compare.rootOf(options), other.root], false),
    judge: (_, measured) => [estimate(measured.map(ratiosOf))],
    isOtherFixed: false,
  })
  return { campaign, other }
}

/**
 * Compares this build with another one or with a baseline, or makes a baseline.
 * @throws SpikewasmError for wrong options, folders and files
 */
export async function runComparison(
  { against, baseline, saveBaseline }: Comparison,
  options: compare.CompareOptions,
): Promise<ComparisonResult> {
  const given = Object.entries({ against, baseline, saveBaseline }).filter(([, path]) => path)
  if (given.length !== 1)
    fail(
      'bench needs one of --against, --baseline and --save-baseline at a time, got ' +
        `${given.map(([name]) => name).join(' and ') || 'none'}`,
    )
  const mine = nameOf(await compare.ownOrigin(options))
  const shared = { mine, threshold: options.threshold ?? compare.DEFAULT_THRESHOLD }
  if (against !== undefined) {
    const { campaign, other } = await compareAgainst(against, options)
    const name = nameOf(await originOf(other.root, other.version, false))
    return resultOf(campaign, { ...shared, other: name })
  }
  if (baseline !== undefined) {
    const { campaign, baseline: file, missing } = await compareBaseline(baseline, options)
    const known = new Map(
      file.benchmarks.map((one) => [one.name, { ms: msOf(one), density: one.density }]),
    )
    const other = `${nameOf(file.origin)} of ${file.origin.date.slice(0, 10)}`
    return resultOf(campaign, { ...shared, other, known, missing })
  }
  const made = await makeBaseline(options)
  await writeBaseline(saveBaseline!, made)
  return describeBaseline(made, saveBaseline!)
}

const msOf = ({ processes }: Baseline['benchmarks'][number]): number =>
  median(processes.map(({ ms }) => median(ms)))

const describeBaseline = ({ origin, others, benchmarks }: Baseline, path: string) => ({
  table: {
    title: `Baseline of this build (${nameOf(origin)})`,
    notes: [`Others took ${(100 * others).toFixed(0)} % of the processors.`],
    head: ['benchmark', 'ms', 'processes', 'density'],
    rows: benchmarks.map((one) => {
      const { name, processes, density = '' } = one
      return [name, digits(msOf(one)), String(processes.length), density]
    }),
  },
  entries: benchmarks.map((one) => {
    const { name, density: extra } = one
    return { name, unit: 'ms', value: msOf(one), ...(extra !== undefined && { extra }) }
  }),
  exitCode: 0 as const,
  notes: [`Saved as ${path}.`],
})
