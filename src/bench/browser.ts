/**
 * `spikewasm/bench` in a page: the kernels, steps and predictions of `spikewasm bench`, measured in
 * workers of the page, and their times as a baseline that `spikewasm bench --baseline` reads.
 *
 * As in a comparison of builds, a *process* is a worker of its own: where memory lies and how the
 * browser compiled is drawn anew. `runPageProcess` is what such a worker calls.
 */

import * as ops from '../ops/index.js'
import * as page from '../page.js'
import { Purpose, RandomStream } from '../random.js'
import { loadEngine } from '../runtime/load.js'
import { VERSION } from '../version.js'
import type { Benchmark, Build, Work } from './benchmark.js'
import { calibrate, meanOf } from './compare/calibrate.js'
import { listBenchmarks } from './compare/cases.js'
import { takeTurns } from './compare/turns.js'
import type { Selection } from './options.js'
import { loadPeak } from './peak.js'

/** Sections that run in a page. */
export type PageSection = 'kernels' | 'steps' | 'inference'

/** What is measured. */
export interface PageSelection {
  /** Default: all three. */
  readonly sections?: readonly PageSection[]
  /** Fewer shapes; default true. */
  readonly quick?: boolean
  /** Of steps and predictions, by the registry's name; default `cnn`. */
  readonly model?: string
  /** Largest number of threads of steps and predictions; default 1. */
  readonly threads?: number
  /** Text that names contain. */
  readonly filter?: string
}

/** What one worker is to do: plain data, so that it can be sent. */
export interface PageJob {
  readonly selection: PageSelection
  /** Names to measure, among those of `listPageBenchmarks`; default all. */
  readonly names?: readonly string[]
  /** Time for all of them together. */
  readonly seconds: number
  /** Draws their order. */
  readonly seed: number
}

/** Times of a benchmark in one worker. */
export interface PageTimes {
  readonly name: string
  /** Milliseconds of a call, one number a round, behind a warm-up. */
  readonly ms: readonly number[]
  /** Whether times had settled by the middle of the rounds. */
  readonly isSteady: boolean
  /** Spikes per neuron and step, and what else a figure depends on. */
  readonly density?: string
  /** Work of a call, for a rate. */
  readonly work?: { readonly amount: number; readonly unit: string }
  /** Logarithms of the machine's limits beside it: 1e9 operations a second, 1e9 bytes a second. */
  readonly multiplyAdd: number
  readonly eventAdds: number
  readonly copy: number
}

/** Called while a worker measures. */
export interface PageListener {
  begin?(name: string, index: number, count: number): void
  measured(times: PageTimes): void
  failed(name: string, reason: string): void
}

function selectionOf(selection: PageSelection): Selection {
  const { sections, quick = true, model, threads = 1 } = selection
  return {
    quick,
    sections: sections ?? ['kernels', 'steps', 'inference'],
    threads,
    // Ops of several threads need Node's.
    kernelThreads: threads > 1 && sections?.includes('kernels') === false ? threads : 1,
    ...(model !== undefined && { model }),
  }
}

const listOf = (selection: PageSelection): Benchmark[] =>
  listBenchmarks(selectionOf(selection), selection.filter)

/** Names of what a selection measures, in the order of the command line. */
export const listPageBenchmarks = (selection: PageSelection = {}): string[] =>
  listOf(selection).map(({ name }) => name)

let ready: Promise<Build> | undefined

async function load(): Promise<Build> {
  await Promise.all([loadPeak(), ops.load(), loadEngine('engine')])
  return { name: 'this', version: VERSION, sw: page as unknown as Build['sw'], ops }
}

/** Least time for a benchmark; below it nothing settles. */
const LEAST_MS = 60
const MAX_ROUNDS = 64
/** A block is long beside the steps of the page's clock, which isolation makes finer. */
const [BLOCK_MS, COARSE_BLOCK_MS] = [1, 8]

/**
 * Measures in this worker, one benchmark after the other, in an order that the seed draws. What
 * fails is told, and the rest goes on. Call it in a worker that is made for it: a page would
 * freeze.
 */
export async function runPageProcess(job: PageJob, listener: PageListener): Promise<void> {
  ready ??= load()
  const build = await ready
  const random = new RandomStream(Purpose.Shuffle)
  random.start(job.seed, 0, 0)
  const wanted = job.names && new Set(job.names)
  const list = listOf(job.selection).filter(({ name }) => wanted?.has(name) ?? true)
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[list[i], list[j]] = [list[j], list[i]]
  }
  const end = performance.now() + 1000 * job.seconds
  for (const [i, benchmark] of list.entries()) {
    listener.begin?.(benchmark.name, i, list.length)
    const share = (end - performance.now()) / (list.length - i)
    try {
      listener.measured(await measure(build, benchmark, Math.max(LEAST_MS, share), random))
    } catch (error) {
      listener.failed(benchmark.name, error instanceof Error ? error.message : String(error))
    }
  }
}

const clock = { wall: (): number => performance.now(), processor: undefined }

async function measure(
  build: Build,
  benchmark: Benchmark,
  ms: number,
  random: RandomStream,
): Promise<PageTimes> {
  const start = performance.now()
  const prepared = await benchmark.prepare(build)
  try {
    const before = calibrate(true)
    await prepared.run()
    const { times, isSteady } = await takeTurns(
      [() => prepared.run()],
      {
        ms: Math.max(ms / 2, ms - (performance.now() - start)),
        blockMs: globalThis.crossOriginIsolated ? BLOCK_MS : COARSE_BLOCK_MS,
        minRounds: 3,
        maxRounds: MAX_ROUNDS,
        countsWaiting: true,
      },
      random,
      clock,
    )
    const { multiplyAdd, eventAdds, copy } = meanOf(before, calibrate(true))
    const { density } = prepared
    const work: Work | undefined = prepared.work ?? benchmark.work
    return {
      name: benchmark.name,
      ms: times[0],
      isSteady,
      ...(density !== undefined && { density }),
      ...(work && { work: { amount: work.amount, unit: work.unit } }),
      multiplyAdd,
      eventAdds: eventAdds ?? multiplyAdd,
      copy: copy ?? multiplyAdd,
    }
  } finally {
    await prepared.dispose?.()
  }
}

/** Browser, version and system, as far as the page is told. */
export function describeBrowser(): string {
  const { userAgent } = navigator
  const [, name = 'unknown browser', version = ''] =
    /(Edg|OPR|Firefox|HeadlessChrome|Chrome|Version)\/([\d.]+)/.exec(userAgent) ?? []
  const named = name === 'Version' ? 'Safari' : name
  const [, system = ''] = /\(([^)]*)\)/.exec(userAgent) ?? []
  return `${named} ${version}, ${system}`.slice(0, 400)
}

const DIGITS = 6
const rounded = (value: number): number => Number(value.toPrecision(DIGITS))

/**
 * What `spikewasm bench --baseline FILE` reads.
 * @param times of all workers; those of one name are its processes
 * @param extra more to keep in the file, under names that a baseline does not have; it is not
 *   compared
 */
export function pageBaseline(
  times: readonly PageTimes[],
  extra: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const names = [...new Set(times.map(({ name }) => name))]
  return {
    ...extra,
    format: 'spikewasm baseline',
    schema: 1,
    origin: {
      date: new Date().toISOString(),
      version: VERSION,
      processor: 'not told to pages',
      processors: navigator.hardwareConcurrency || 1,
      platform: navigator.platform || 'unknown',
      wide: false,
      page: describeBrowser(),
    },
    // A page cannot see them.
    others: 0,
    benchmarks: names.map((name) => {
      const found = times.filter((one) => one.name === name)
      const density = found.find((one) => one.density !== undefined)?.density
      return {
        name,
        ...(density !== undefined && { density }),
        processes: found.map(({ ms, multiplyAdd, eventAdds, copy }) => ({
          // Zero would be a time that no clock has seen.
          ms: ms.map((value) => Math.max(1e-9, rounded(value))),
          multiplyAdd: rounded(multiplyAdd),
          eventAdds: rounded(eventAdds),
          copy: rounded(copy),
        })),
      }
    }),
  }
}
