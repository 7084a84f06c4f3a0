/**
 * Baselines: times of one build in a file, to compare with at another time. Unlike `--against`, the
 * two sides are not measured side by side. Three limits of the machine are timed beside each
 * benchmark: multiply-adds, event adds, a copy. Times count in units of each of them, and the
 * interval of the effect holds what all three say. Where the machine has changed, they disagree,
 * and the interval is wide.
 */

import { buffer } from 'node:stream/consumers'
import { fail } from '../../base/errors.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { readFileClear, writeFileAtomic } from '../../files/files.js'
import { obstacleBetween, originSchema } from './builds.js'
import { type Campaign, measureAll, runCampaign } from './campaign.js'
import { type CompareOptions, courseOf, jobOf, ownOrigin, rootOf } from './options.js'
import type { Measured } from './process.js'
import { difference, type Estimate, estimate } from './statistics.js'

/** The file's schema; another one cannot be read. */
const SCHEMA = 1
const FORMAT = 'spikewasm baseline'
/** Processes that a baseline is made of. */
const PROCESSES = 8
/** Larger files are no baselines. */
const SIZE_LIMIT = 64 * 2 ** 20
const DIGITS = 6
/** Zero would be a time that no clock has seen. */
const LEAST_MS = 1e-9

const finite = v.pipe(v.number(), v.finite())
const text = v.pipe(v.string(), v.minLength(1), v.maxLength(400))
const listOf = <T extends v.GenericSchema>(item: T, most: number) =>
  v.pipe(v.array(item), v.minLength(1), v.maxLength(most))

const limits = ['multiplyAdd', 'eventAdds', 'copy'] as const
const processSchema = v.object({
  /** Milliseconds of a call, one number a round. */
  ms: listOf(v.pipe(finite, v.minValue(0)), 1000),
  /** Logarithms of rates. */
  multiplyAdd: finite,
  eventAdds: finite,
  copy: finite,
})
type ProcessTimes = v.InferOutput<typeof processSchema>

const baselineSchema = v.object({
  format: v.literal(FORMAT),
  schema: v.literal(SCHEMA),
  origin: originSchema,
  /** Share of the processors that others took. */
  others: finite,
  benchmarks: listOf(
    /** The density is that of spikes. */
    v.object({ name: text, density: v.optional(text), processes: listOf(processSchema, 1000) }),
    20_000,
  ),
})
export type Baseline = v.InferOutput<typeof baselineSchema>

const rounded = (value: number): number => Number(value.toPrecision(DIGITS))

function processTimes({ times, calibration }: Measured): ProcessTimes {
  const { multiplyAdd, eventAdds = multiplyAdd, copy = multiplyAdd } = calibration
  return {
    ms: times[0].map((ms) => Math.max(LEAST_MS, rounded(ms))),
    multiplyAdd: rounded(multiplyAdd),
    eventAdds: rounded(eventAdds),
    copy: rounded(copy),
  }
}

/**
 * Measures a build and returns what a baseline holds.
 * @param processes the more, the surer; at least two are needed to see how they differ
 * @throws SpikewasmError when a benchmark fails: a baseline without it would hide that
 */
export async function makeBaseline(
  options: CompareOptions,
  processes = PROCESSES,
): Promise<Baseline> {
  const job = await jobOf(options, [rootOf(options)], true)
  const { rows, failed, others } = await measureAll({ ...courseOf(options), job }, processes)
  for (const [name, why] of failed) fail(`benchmark "${name}" failed: ${why}`)
  return {
    format: FORMAT,
    schema: SCHEMA,
    origin: await ownOrigin(options),
    others: rounded(others),
    benchmarks: rows.flatMap(({ name, measured }) => {
      const density = measured.find(({ densities }) => densities[0])?.densities[0]
      const processes = measured.map(processTimes)
      return measured.length === 0 ? [] : { name, ...(density && { density }), processes }
    }),
  }
}

export const writeBaseline = (path: string, baseline: Baseline): Promise<void> =>
  writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(baseline)}\n`))

/**
 * @param path of the file; `-`: standard input
 * @throws SpikewasmError that names the file and what is wrong in it
 */
export async function readBaseline(path: string): Promise<Baseline> {
  if (path === '-') return parseBaseline(await buffer(process.stdin), 'standard input')
  return parseBaseline(await readFileClear(path, 'bench.baseline'), path)
}

/** @param path what messages call it */
function parseBaseline(bytes: Uint8Array, path: string): Baseline {
  const refuse = (what: string, cause?: unknown): never => {
    const advice = 'make it anew with --save-baseline'
    fail(`${path}: must ${what}; ${advice}`, cause)
  }
  if (bytes.length > SIZE_LIMIT)
    refuse(`be a baseline of at most ${SIZE_LIMIT} bytes, got ${bytes.length}`)
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    refuse(`be a baseline, got no JSON: ${(error as Error).message}`, error)
  }
  const { success, output, issues } = v.safeParse(baselineSchema, value)
  if (!success) {
    const where = v.getDotPath(issues[0]) ?? 'the file'
    return refuse(`be a baseline of schema ${SCHEMA}, got ${where}: ${issues[0].message}`)
  }
  const names = output.benchmarks.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  if (twice !== undefined) refuse(`name each benchmark once, got "${twice}" twice`)
  return output
}

/** What the three limits say of a time now and then. */
export function effects(
  now: readonly ProcessTimes[],
  then: readonly ProcessTimes[],
): readonly Estimate[] {
  /** Times in units of a limit, as logarithms. */
  const of = (processes: readonly ProcessTimes[], limit: (typeof limits)[number]): Estimate =>
    estimate(processes.map((one) => one.ms.map((ms) => Math.log(ms) + one[limit])))
  return limits.map((limit) => difference(of(now, limit), of(then, limit)))
}

/**
 * Compares a build with a baseline.
 * @throws SpikewasmError when it was made on another processor, or by another Node or V8
 */
export async function compareBaseline(
  path: string,
  options: CompareOptions,
): Promise<{ campaign: Campaign; baseline: Baseline; missing: string[] }> {
  const baseline = await readBaseline(path)
  const obstacle = obstacleBetween(await ownOrigin(options), baseline.origin)
  if (obstacle !== undefined)
    fail(
      `${path}: must be a baseline of this machine and this Node, got another one: ${obstacle}; ` +
        'make it anew with --save-baseline, or compare with --against DIR',
    )
  const then = new Map(baseline.benchmarks.map(({ name, processes }) => [name, processes]))
  const campaign = await runCampaign({
    ...courseOf(options),
    job: await jobOf(options, [rootOf(options)], true),
    judge: (name, measured) => {
      const processes = then.get(name)
      return processes && effects(measured.map(processTimes), processes)
    },
    isOtherFixed: true,
  })
  const names = new Set(campaign.rows.map(({ name }) => name))
  const { filter = '' } = options
  const missing = [...then.keys()].filter((name) => name.includes(filter) && !names.has(name))
  return { campaign, baseline, missing }
}
