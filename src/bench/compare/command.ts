/** The comparing options of `spikewasm bench`, as one call. */

import { fail } from '../../base/errors.js'
import { median } from '../../base/numbers.js'
import { digits } from '../report.js'
import { type Baseline, compareBaseline, makeBaseline, writeBaseline } from './baseline.js'
import { type BuildFiles, findBuild, nameOf, originOf } from './builds.js'
import { type Campaign, runCampaign } from './campaign.js'
import {
  type CompareOptions,
  courseOf,
  DEFAULT_THRESHOLD,
  jobOf,
  ownOrigin,
  rootOf,
} from './options.js'
import type { Measured } from './process.js'
import { type ComparisonResult, resultOf } from './result.js'
import { estimate } from './statistics.js'

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
  options: CompareOptions,
): Promise<{ campaign: Campaign; other: BuildFiles }> {
  const other = await findBuild(folder, 'bench.against')
  const campaign = await runCampaign({
    ...courseOf(options),
    job: await jobOf(options, [rootOf(options), other.root], false),
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
  options: CompareOptions,
): Promise<ComparisonResult> {
  const given = Object.entries({ against, baseline, saveBaseline }).filter(([, path]) => path)
  if (given.length !== 1)
    fail(
      'bench needs one of --against, --baseline and --save-baseline at a time, got ' +
        `${given.map(([name]) => name).join(' and ') || 'none'}`,
    )
  const mine = nameOf(await ownOrigin(options))
  const shared = { mine, threshold: options.threshold ?? DEFAULT_THRESHOLD }
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

function describeBaseline({ origin, others, benchmarks }: Baseline, path: string) {
  return {
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
  }
}
