/** Runs of a sweep on this machine: as many at a time as fit, and how long they will take. */

import { availableParallelism, freemem, totalmem } from 'node:os'
import { median } from '../../base/numbers.js'
import { canonical } from '../../scale/store.js'
import { defaultThreads } from '../datasets.js'
import { holdsRun } from '../run-folder.js'
import type { Executor, SweepEntry } from './engine.js'
import { type RunNews, RunStopped, trainAnew, trainInChild } from './run-child.js'
import { placeArgs, rungsOf, type SweepSpec } from './spec.js'

/** What a sweep says of this machine. */
interface Place {
  readonly jobs?: number
  readonly data?: string
  readonly cache?: string
}

/** So many times what the largest takes must be free when one more begins. */
const HEADROOM = 1.3

/** Runs on one thread each use processors best; few runs share them. */
export function slotsFor(entries: readonly SweepEntry[], jobs: number | undefined): number {
  const widest = Math.max(1, ...entries.map(({ run }) => run.parsed.threads ?? 1))
  return Math.max(1, Math.min(jobs ?? Math.floor(availableParallelism() / widest), entries.length))
}

/** @param options `jobs`: at a time; default: as many as processors and memory allow */
export function localExecutor(
  entries: readonly SweepEntry[],
  { jobs, runFolder, ...place }: Place & { runFolder(id: string): string },
): Executor {
  const slots = slotsFor(entries, jobs)
  /** MB of the largest run so far; undefined until one has said it. */
  let largest: number | undefined
  const limits = { memoryMB: totalmem() / 2 ** 20, seconds: 1e9 }
  return {
    mayStart(running) {
      if (running === 0) return true
      if (running >= slots) return false
      // The first one says what a run takes.
      return jobs !== undefined || (largest ?? Number.POSITIVE_INFINITY) * HEADROOM < free()
    },
    async execute(task, onNews, signal) {
      const { run, until: untilEpoch, data: hash } = task
      const { threads: asked = Number.POSITIVE_INFINITY, dataset } = run.parsed
      const share = Math.floor(availableParallelism() / slots)
      const threads = Math.max(1, Math.min(asked, defaultThreads(dataset), share))
      const args = [...run.args, ...placeArgs(run, { ...place, threads })]
      const folder = runFolder(task.id)
      const whole = { args, untilEpoch, data: hash, model: run.own?.sha256, limits, signal }
      const tell = (news: RunNews): void => {
        if (news.memoryMB !== undefined) largest = Math.max(largest ?? 0, news.memoryMB)
        onNews(news)
      }
      return trainAnew(folder, { ...whole, onNews: tell }, await holdsRun(folder))
    },
  }
}

/** MB that programs may still take. */
const free = (): number => freemem() / 2 ** 20

/** Options that change what a step costs. */
const costly = (
  'dataset model method stepMode update backwardSteps gradientCheckpoint weights timeSteps ' +
  'batchSize imageSize augment optimizer loss ema threads limitTrain limitTest encoder eventSize ' +
  'validationSplit'
).split(' ')

/** The share of a step's time that an image takes when it is tested only. */
const TEST_SHARE = 1 / 3

/**
 * Whether steps of so many milliseconds tell what the rest will take. V8 optimises code while it
 * runs: steps of a small network get several times faster in the first 50, of a large one the
 * second is like the rest.
 */
export const isEnough = (times: readonly number[]): boolean =>
  times.length >= 100 || (times.length >= 3 && times.reduce((a, b) => a + b) > 2000)

async function costOf({ run }: SweepEntry, place: Place) {
  const begun = performance.now()
  const times: number[] = []
  const memories: number[] = []
  const end = new AbortController()
  let [first, steps, training, test] = [0, 1, 0, 0]
  await trainInChild({
    args: [...run.args, ...placeArgs(run, { ...place, threads: 1 }), '--json'],
    everyStep: true,
    limits: { memoryMB: totalmem() / 2 ** 20, seconds: 3600 },
    signal: end.signal,
    onChild(news) {
      if (news.kind === 'data') [training, test] = [news.training, news.test]
      if (news.kind !== 'step') return
      if (times.length === 0) first = performance.now() - begun
      times.push(news.stepMs)
      ;({ steps } = news)
      memories.push(news.memoryMB)
      if (isEnough(times)) end.abort()
    },
  }).catch((error: Error) => {
    if (!(error instanceof RunStopped)) throw error
  })
  return costFrom({ times, memories, first, steps, training, test })
}

/**
 * What a run of one kind takes.
 *
 * @param measured milliseconds and MB of its first steps, and how much there is of it
 */
export function costFrom(measured: {
  readonly times: readonly number[]
  readonly memories: readonly number[]
  /** Milliseconds until the first step. */
  readonly first: number
  readonly steps: number
  readonly training: number
  readonly test: number
}) {
  const { times, memories, first, steps, training, test } = measured
  // Without the first ones, which find nothing in the caches and code that is not yet optimised.
  const stepMs = median(times.slice(times.length >> 1))
  /** An epoch with its test. */
  const epochSeconds = (steps * stepMs * (1 + (test / training) * TEST_SHARE)) / 1000
  const memoryMB = Math.max(...memories)
  return { stepMs, steps, epochSeconds, startSeconds: first / 1000, memoryMB }
}

export type Cost = ReturnType<typeof costFrom>
export type Estimate = Awaited<ReturnType<typeof estimate>>

/** Seconds of all runs, one behind the other, and as many at a time as here. */
export async function estimate(
  spec: SweepSpec,
  entries: readonly SweepEntry[],
  { jobs, ...place }: Place,
) {
  const kinds = new Map<string, Promise<Cost>>()
  const costs = new Map<string, Cost>()
  for (const entry of entries) {
    const parsed: Readonly<Record<string, unknown>> = { ...entry.run.parsed }
    const own = entry.run.own?.sha256 ?? null
    const key = canonical([own, ...costly.map((name) => parsed[name] ?? null)])
    const cost = kinds.get(key) ?? costOf(entry, place)
    kinds.set(key, cost)
    costs.set(entry.id, await cost)
  }
  const seconds = secondsOf(spec, entries, costs)
  const largest = Math.max(1, ...[...costs.values()].map(({ memoryMB }) => memoryMB))
  const fitting = Math.max(1, Math.floor((0.8 * totalmem()) / 2 ** 20 / largest))
  const atOnce = Math.min(slotsFor(entries, jobs), fitting, availableParallelism())
  return { costs, seconds, wallSeconds: seconds / atOnce, atOnce }
}

/** Seconds that all runs take, one behind the other. */
export const secondsOf = (
  spec: SweepSpec,
  entries: readonly SweepEntry[],
  costs: ReadonlyMap<string, Cost>,
): number =>
  entries.reduce((sum, { id, run }) => {
    const { startSeconds, epochSeconds } = costs.get(id)!
    return sum + startSeconds + epochSeconds * run.parsed.epochs * shareOf(spec, run.parsed.epochs)
  }, 0)

/** The share of all epochs of all runs that successive halving leaves. */
function shareOf({ halving, runs }: SweepSpec, epochs: number): number {
  if (!halving) return 1
  let [alive, before, sum] = [runs.length, 0, 0]
  for (const rung of rungsOf(halving, epochs)) {
    sum += alive * (rung - before)
    before = rung
    alive = Math.max(1, Math.floor(alive / halving.factor))
  }
  return sum / (runs.length * epochs)
}
