/** The comparing options of `spikewasm bench`, as one call. */

import { expect } from '../../errors.js'
import { median } from '../../median.js'
import { wideVectors } from '../../runtime/revectorize.js'
import { digits, type ResultTable } from '../report.js'
import { type CompareOptions, compareAgainst, DEFAULT_THRESHOLD, rootOf } from './against.js'
import { type Baseline, compareBaseline, makeBaseline, writeBaseline } from './baseline.js'
import { findBuild } from './builds.js'
import type { Campaign } from './campaign.js'
import { nameOf, type Origin, originOf } from './origin.js'
import { type ComparisonResult, resultOf, type Sides } from './result.js'

export type { CompareOptions } from './against.js'
export type { ComparisonResult } from './result.js'

/** With what to compare; one of the three. */
export interface Comparison {
  /** Folder of another build. */
  readonly against?: string
  /** File to compare with. */
  readonly baseline?: string
  /** File to write. */
  readonly saveBaseline?: string
}

export interface Compared extends ComparisonResult {
  /** Absent when a baseline was made. */
  readonly campaign?: Campaign
  readonly origin: Origin
}

/** Where the build under test comes from. */
export async function ownOrigin(options: CompareOptions): Promise<Origin> {
  const { version } = await findBuild(rootOf(options), 'this build')
  return originOf(rootOf(options), version, (await wideVectors()).on)
}

/**
 * Compares this build with another one or with a baseline, or makes a baseline.
 * @throws SpikewasmError for wrong options, folders and files
 */
export async function runComparison(
  { against, baseline, saveBaseline }: Comparison,
  options: CompareOptions,
): Promise<Compared> {
  const given = Object.entries({ against, baseline, saveBaseline }).filter(([, path]) => path)
  expect(
    given.length === 1,
    () =>
      'bench needs one of --against, --baseline and --save-baseline at a time, got ' +
      `${given.map(([name]) => name).join(' and ') || 'none'}`,
  )
  const origin = await ownOrigin(options)
  const shared = { mine: nameOf(origin), threshold: options.threshold ?? DEFAULT_THRESHOLD }
  if (against !== undefined) {
    const { campaign, other } = await compareAgainst(against, options)
    const sides: Sides = {
      ...shared,
      other: nameOf(await originOf(other.root, other.version, false)),
    }
    return { ...resultOf(campaign, sides), campaign, origin }
  }
  if (baseline !== undefined) {
    const { campaign, baseline: file, missing } = await compareBaseline(baseline, options)
    const page = 'page' in file.origin ? file.origin.page : undefined
    const sides: Sides = {
      ...shared,
      other:
        `${nameOf(file.origin)} of ${file.origin.date.slice(0, 10)}` +
        (page === undefined ? '' : ', in a page'),
      otherMs: timesOf(file),
      otherDensity: densityOf(file),
      missing,
    }
    const result = resultOf(campaign, sides)
    const notes = page === undefined ? result.notes : [...result.notes, pageNote(page)]
    return { ...result, notes, campaign, origin }
  }
  const made = await makeBaseline(options)
  await writeBaseline(saveBaseline!, made)
  return { ...describeBaseline(made, saveBaseline!), origin }
}

/** What a verdict means beside a page. */
const pageNote = (page: string): string =>
  `The baseline was measured in a page of ${page}. An effect holds what that engine, and its ` +
  'device if it is another one, do otherwise; a page does not tell its processor.'

/** Milliseconds by name. */
function timesOf({ benchmarks }: Baseline): (name: string) => number | undefined {
  const times = new Map(
    benchmarks.map(({ name, processes }) => [name, median(processes.map(({ ms }) => median(ms)))]),
  )
  return (name) => times.get(name)
}

const densityOf = ({ benchmarks }: Baseline): ((name: string) => string | undefined) => {
  const densities = new Map(benchmarks.map(({ name, density }) => [name, density]))
  return (name) => densities.get(name)
}

function describeBaseline(baseline: Baseline, path: string): ComparisonResult {
  const ms = timesOf(baseline)
  const table: ResultTable = {
    title: `Baseline of this build (${nameOf(baseline.origin)})`,
    notes: [`Others took ${(100 * baseline.others).toFixed(0)} % of the processors.`],
    head: ['benchmark', 'ms', 'processes', 'density'],
    rows: baseline.benchmarks.map(({ name, processes, density = '' }) => [
      name,
      digits(ms(name) ?? Number.NaN),
      String(processes.length),
      density,
    ]),
  }
  const entries = baseline.benchmarks.map(({ name, density }) => ({
    name,
    unit: 'ms',
    value: ms(name) ?? 0,
    ...(density !== undefined && { extra: density }),
  }))
  return { table, entries, marks: new Map(), exitCode: 0, notes: [`Saved as ${path}.`] }
}
