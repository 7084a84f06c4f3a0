/** What comparisons have in common: options, and the job that all processes are told. */

import { fail } from '../../base/errors.js'
import { wideVectors } from '../../engine/revectorize.js'
import { codeFile } from '../../package-files.js'
import { findBuild, type Origin, originOf, ownRoot } from './builds.js'
import type { SharedJob } from './process.js'
import { asLog } from './statistics.js'

export interface CompareOptions {
  /** What is measured: handed on to `listBenchmarks`. */
  readonly selection: unknown
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
const [DEFAULT_SECONDS, QUICK_SECONDS] = [100, 45]
export const PATIENCE = 60

/** Folder of the build under test. */
export const rootOf = ({ root = ownRoot() }: CompareOptions): string => root

/** Where the build under test comes from. */
export async function ownOrigin(options: CompareOptions): Promise<Origin> {
  const { version } = await findBuild(rootOf(options), 'this build')
  return originOf(rootOf(options), version, (await wideVectors()).on)
}

/**
 * What all processes are told.
 * @throws SpikewasmError when a number is out of its range
 */
export async function jobOf(
  { threshold, seconds, patience, selection, filter, cases }: CompareOptions,
  builds: readonly string[],
  calibrate: boolean,
): Promise<SharedJob> {
  if (threshold !== undefined && !(threshold >= 0 && threshold <= 1))
    fail(`bench.threshold must be a percentage from 0 to 100, got ${100 * (threshold ?? 0)}`)
  for (const [name, value] of Object.entries({ seconds, patience }))
    if (value !== undefined && !(value > 0 && value <= 86_400))
      fail(`bench.${name} must be a number of seconds above 0, got ${value}`)
  await findBuild(builds[0], 'this build')
  const list = cases ?? codeFile('bench/cases/index.js').href
  const wide = (await wideVectors()).on
  return { selection, filter, builds, calibrate, weights: {}, cases: list, wide }
}

/** What a campaign is told but for its job and its judge. */
export const courseOf = (options: CompareOptions) => ({
  threshold: asLog(options.threshold ?? DEFAULT_THRESHOLD),
  seconds:
    options.seconds ??
    ((options.selection as { quick?: boolean }).quick ? QUICK_SECONDS : DEFAULT_SECONDS),
  patience: options.patience ?? PATIENCE,
  seed: options.seed ?? Date.now() % 2 ** 31,
  isThorough: options.thorough ?? true,
  progress: options.progress ?? (() => undefined),
})
