/** `bench --against DIR`: this build beside another one, both in the same processes. */
import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from '../../errors.js'
import { wideVectors } from '../../runtime/revectorize.js'
import { type BuildFiles, findBuild, ownRoot } from './builds.js'
import { type Campaign, runCampaign } from './campaign.js'
import type { Measured, SharedJob } from './job.js'
import { estimate } from './statistics.js'
import { asLog } from './verdict.js'

/** What comparisons have in common. */
export interface CompareOptions {
  /** What is measured: handed on to `listBenchmarks`. */
  readonly selection: unknown
  /** Files with benchmarks of the user's own; with them nothing else is measured. */
  readonly own?: readonly string[]
  /** Text that names must contain. */
  readonly filter?: string
  /** Slower by less than this fraction counts as the same. Default 0.02. */
  readonly threshold?: number
  /** Budget in seconds. Default 100, and 45 where the selection is quick. */
  readonly seconds?: number
  /** Seconds without a sign of life before a benchmark counts as hanging. Default 60. */
  readonly patience?: number
  /**
   * Whether time that is left is spent on what is undecided, or the comparison ends as soon as
   * nothing looks slower. Default true.
   */
  readonly thorough?: boolean
  /** Draws orders and places. Default: another one in each run. */
  readonly seed?: number
  /** The build under test. Default: the package that this file belongs to. */
  readonly root?: string
  /** URL of a module that exports `listBenchmarks`. Default: that of this package. */
  readonly cases?: string
  /** One line that says what happens now; '' when nothing does. */
  progress?(text: string): void
}

export const DEFAULT_THRESHOLD = 0.02
const [DEFAULT_SECONDS, QUICK_SECONDS, DEFAULT_PATIENCE] = [100, 45, 60]

/** @throws SpikewasmError when a number is out of its range */
export function checkCompareOptions({ threshold, seconds, patience }: CompareOptions): void {
  expect(
    threshold === undefined || (threshold >= 0 && threshold <= 1),
    () => `bench.threshold must be a percentage from 0 to 100, got ${100 * (threshold ?? 0)}`,
  )
  for (const [name, value] of Object.entries({ seconds, patience }))
    expect(
      value === undefined || (value > 0 && value <= 86_400),
      () => `bench.${name} must be a number of seconds above 0, got ${value}`,
    )
}

/** Runs with what all children are told, and with a folder for what they leave to each other. */
export async function withJob<T>(
  options: CompareOptions,
  builds: readonly string[],
  calibrate: boolean,
  run: (job: SharedJob) => Promise<T>,
): Promise<T> {
  const weights = await mkdtemp(join(tmpdir(), 'spikewasm-bench-'))
  const remove = (): void => rmSync(weights, { recursive: true, force: true })
  process.once('exit', remove)
  try {
    return await run(await jobOf(options, builds, calibrate, weights))
  } finally {
    process.off('exit', remove)
    remove()
  }
}

async function jobOf(
  options: CompareOptions,
  builds: readonly string[],
  calibrate: boolean,
  weights: string,
): Promise<SharedJob> {
  return {
    weights,
    cases: options.cases ?? new URL('./cases.js', import.meta.url).href,
    selection: options.selection,
    own: options.own ?? [],
    filter: options.filter,
    builds,
    calibrate,
    wide: (await wideVectors()).on,
  }
}

/** What a campaign is told but for its job and its judge. */
export const courseOf = (options: CompareOptions) => ({
  threshold: asLog(options.threshold ?? DEFAULT_THRESHOLD),
  seconds: options.seconds ?? (isQuick(options.selection) ? QUICK_SECONDS : DEFAULT_SECONDS),
  patience: options.patience ?? DEFAULT_PATIENCE,
  seed: options.seed ?? Date.now() % 2 ** 31,
  isThorough: options.thorough ?? true,
  progress: options.progress ?? (() => undefined),
})

const isQuick = (selection: unknown): boolean =>
  typeof selection === 'object' && selection !== null && 'quick' in selection && !!selection.quick

/** Folder of the build under test. */
export const rootOf = (options: CompareOptions): string => options.root ?? ownRoot()

/** Zero would be a time that no clock has seen. */
const LEAST_MS = 1e-9

/** Rounds of a process: log(time of this / time of the other). */
const ratiosOf = ({ times: [mine, theirs] }: Measured): number[] =>
  mine.map((ms, round) => Math.log(Math.max(ms, LEAST_MS) / Math.max(theirs[round], LEAST_MS)))

/**
 * Compares a build with the one in `folder`.
 * @throws SpikewasmError when the folder holds no built spikewasm, or nothing can be measured
 */
export async function compareAgainst(
  folder: string,
  options: CompareOptions,
): Promise<{ campaign: Campaign; other: BuildFiles }> {
  checkCompareOptions(options)
  const other = await findBuild(folder, 'bench.against')
  await findBuild(rootOf(options), 'this build')
  const campaign = await withJob(options, [rootOf(options), other.root], false, (job) =>
    runCampaign({
      ...courseOf(options),
      job,
      judge: (_, measured) => [estimate(measured.map(ratiosOf))],
      isOtherFixed: false,
    }),
  )
  return { campaign, other }
}
