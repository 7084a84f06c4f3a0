/**
 * Baselines: times of one build in a file, to compare with at another time. Unlike `--against`, the
 * two sides are not measured side by side. Three limits of the machine are timed beside each
 * benchmark: multiply-adds, event adds, a copy. Times count in units of each of them, and the
 * interval of the effect holds what all three say. Where the machine has changed, they disagree,
 * and the interval is wide.
 */

import { expect, SpikewasmError } from '../../errors.js'
import { readFileClear, writeFileAtomic } from '../../io/files.js'
import { wideVectors } from '../../runtime/revectorize.js'
import * as v from '../../runtime/vendor/valibot/index.js'
import { type CompareOptions, checkCompareOptions, courseOf, rootOf, withJob } from './against.js'
import { findBuild } from './builds.js'
import { type Campaign, runCampaign } from './campaign.js'
import type { Calibration, Measured, SharedJob } from './job.js'
import { othersOf } from './marks.js'
import { anyOriginSchema, type Origin, obstacleBetween, originOf } from './origin.js'
import { runChild } from './process.js'
import { readStandardInput } from './standard-input.js'
import { difference, type Estimate, estimate } from './statistics.js'

/** Of the file; another one cannot be read. */
const SCHEMA = 1
const FORMAT = 'spikewasm baseline'
/** Processes that a baseline is made of. */
const PROCESSES = 8
/** Larger files are no baselines. */
const SIZE_LIMIT = 64 * 2 ** 20
const DIGITS = 6

const finite = v.pipe(v.number(), v.finite())
const processSchema = v.object({
  /** Milliseconds of a call, one number a round. */
  ms: v.pipe(v.array(v.pipe(finite, v.minValue(0))), v.minLength(1), v.maxLength(1000)),
  /** Logarithms of rates. */
  multiplyAdd: finite,
  eventAdds: finite,
  copy: finite,
})
type ProcessTimes = v.InferOutput<typeof processSchema>

const baselineSchema = v.object({
  format: v.literal(FORMAT),
  schema: v.literal(SCHEMA),
  origin: anyOriginSchema,
  /** Share of the processors that others took. */
  others: finite,
  benchmarks: v.pipe(
    v.array(
      v.object({
        name: v.pipe(v.string(), v.minLength(1), v.maxLength(400)),
        /** Of spikes. */
        density: v.optional(v.pipe(v.string(), v.maxLength(400))),
        processes: v.pipe(v.array(processSchema), v.minLength(1), v.maxLength(1000)),
      }),
    ),
    v.minLength(1),
    v.maxLength(20_000),
  ),
})
export type Baseline = v.InferOutput<typeof baselineSchema>

const rounded = (value: number): number => Number(value.toPrecision(DIGITS))

function processTimes({ times, calibration }: Measured): ProcessTimes {
  const { multiplyAdd, eventAdds = multiplyAdd, copy = multiplyAdd } = calibration
  return {
    // Zero would be a time that no clock has seen.
    ms: times[0].map((ms) => Math.max(1e-9, rounded(ms))),
    multiplyAdd: rounded(multiplyAdd),
    eventAdds: rounded(eventAdds),
    copy: rounded(copy),
  }
}

const originNow = async (options: CompareOptions, version: string): Promise<Origin> =>
  originOf(rootOf(options), version, (await wideVectors()).on)

/**
 * Measures a build and returns what a baseline holds.
 * @param processes the more, the surer; at least two are needed to see how they differ
 * @throws SpikewasmError when a benchmark fails: a baseline without it would hide that
 */
export async function makeBaseline(
  options: CompareOptions,
  processes = PROCESSES,
): Promise<Baseline> {
  checkCompareOptions(options)
  const { version } = await findBuild(rootOf(options), 'this build')
  const found = await withJob(options, [rootOf(options)], true, (job) =>
    measureAll(job, options, processes),
  )
  expect(found.size > 0, () => 'bench.saveBaseline must have something to measure, got nothing')
  return {
    format: FORMAT,
    schema: SCHEMA,
    origin: await originNow(options, version),
    others: rounded(othersOf([...found.values()].flat())),
    benchmarks: [...found].map(([name, list]) => {
      const density = list.find(({ densities }) => densities[0])?.densities[0]
      return { name, ...(density && { density }), processes: list.map(processTimes) }
    }),
  }
}

/** Figures of so many processes, by name. */
async function measureAll(
  job: SharedJob,
  options: CompareOptions,
  processes: number,
): Promise<Map<string, Measured[]>> {
  const { seconds, patience, seed, progress } = courseOf(options)
  const found = new Map<string, Measured[]>()
  const start = performance.now()
  for (let i = 0; i < processes; i++) {
    const left = seconds - (performance.now() - start) / 1000
    if (left < 0.5 && i > 1) break
    let done = 0
    const outcome = await runChild(
      {
        ...job,
        measured: Object.fromEntries([...found].map(([name, list]) => [name, list.length])),
        // The start of a process takes a part of its share.
        seconds: Math.max(0.5, left / (processes - i) - 0.5),
        seed: seed + 7919 * i,
      },
      {
        patienceMs: 1000 * patience,
        onBegin: (name) => progress(`baseline ${i + 1}/${processes}, ${++done}: ${name}`),
      },
    )
    progress('')
    const [failure] = outcome.failed
    expect(failure === undefined, () => `benchmark "${failure[0]}" failed: ${failure[1]}`)
    for (const measured of outcome.measured)
      found.set(measured.name, [...(found.get(measured.name) ?? []), measured])
  }
  return found
}

export const writeBaseline = (path: string, baseline: Baseline): Promise<void> =>
  writeFileAtomic(path, new TextEncoder().encode(`${JSON.stringify(baseline)}\n`))

/** In place of a path: the file is pasted. */
export const STANDARD_INPUT = '-'

/**
 * @param path of the file; `-`: standard input
 * @throws SpikewasmError that names the file and what is wrong in it
 */
export async function readBaseline(path: string): Promise<Baseline> {
  const isPasted = path === STANDARD_INPUT
  const bytes = isPasted
    ? await readStandardInput(SIZE_LIMIT)
    : await readFileClear(path, 'bench.baseline')
  return parseBaseline(bytes, isPasted ? 'standard input' : path)
}

/** @param path what messages call it */
function parseBaseline(bytes: Uint8Array, path: string): Baseline {
  const advice = 'make it anew with --save-baseline, or export it anew from the page'
  expect(
    bytes.length <= SIZE_LIMIT,
    () => `${path}: must be a baseline of at most ${SIZE_LIMIT} bytes, got ${bytes.length}`,
  )
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new SpikewasmError(
      `${path}: must be a baseline, got no JSON: ${(error as Error).message}; ${advice}`,
      { cause: error },
    )
  }
  const { success, output, issues } = v.safeParse(baselineSchema, value)
  if (!success) {
    const [issue] = issues
    const where = v.getDotPath(issue) ?? 'the file'
    throw new SpikewasmError(
      `${path}: must be a baseline of schema ${SCHEMA}, got ${where}: ${issue.message}; ${advice}`,
    )
  }
  const names = output.benchmarks.map(({ name }) => name)
  const twice = names.find((name, i) => names.indexOf(name) !== i)
  expect(
    twice === undefined,
    () => `${path}: must name each benchmark once, got "${twice}" twice; ${advice}`,
  )
  return output
}

const limits = ['multiplyAdd', 'eventAdds', 'copy'] as const

/** Times of processes in units of a limit, as logarithms. */
const inUnitsOf = (processes: readonly ProcessTimes[], limit: keyof Calibration): Estimate =>
  estimate(processes.map((one) => one.ms.map((ms) => Math.log(ms) + one[limit])))

/** What the three limits say of a time now and then. */
export const effects = (
  now: readonly ProcessTimes[],
  then: readonly ProcessTimes[],
): readonly Estimate[] =>
  limits.map((limit) => difference(inUnitsOf(now, limit), inUnitsOf(then, limit)))

/**
 * Compares a build with a baseline.
 * @throws SpikewasmError when it was made on another processor, or by another Node or V8
 */
export async function compareBaseline(
  path: string,
  options: CompareOptions,
): Promise<{ campaign: Campaign; baseline: Baseline; missing: string[] }> {
  checkCompareOptions(options)
  const baseline = await readBaseline(path)
  const { version } = await findBuild(rootOf(options), 'this build')
  const obstacle = obstacleBetween(await originNow(options, version), baseline.origin)
  expect(
    obstacle === undefined,
    () =>
      `${path}: must be a baseline of this machine and this Node, got another one: ${obstacle}; ` +
      'make it anew with --save-baseline, or compare with --against DIR',
  )
  const then = new Map(baseline.benchmarks.map(({ name, processes }) => [name, processes]))
  const campaign = await withJob(options, [rootOf(options)], true, (job) =>
    runCampaign({
      ...courseOf(options),
      job,
      // A page measures a part of what Node could.
      ...('page' in baseline.origin && { known: new Set(then.keys()) }),
      judge: (name, measured) => {
        const processes = then.get(name)
        return processes && effects(measured.map(processTimes), processes)
      },
      isOtherFixed: true,
    }),
  )
  const names = new Set(campaign.rows.map(({ name }) => name))
  const wanted = (name: string): boolean =>
    options.filter === undefined || name.includes(options.filter)
  const missing = [...then.keys()].filter((name) => wanted(name) && !names.has(name))
  return { campaign, baseline, missing }
}
