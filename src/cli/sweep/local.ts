/** Runs of a sweep on this machine: as many at a time as processors and memory allow. */

import { availableParallelism, freemem, totalmem } from 'node:os'
import { defaultThreads } from '../datasets.js'
import { holdsRun } from '../run-folder.js'
import { placeArgs } from './data.js'
import type { Executor, SweepEntry } from './engine.js'
import { type RunNews, trainAnew } from './run-child.js'

export interface LocalOptions {
  /** At a time; default: as many as processors and memory allow. */
  readonly jobs?: number
  readonly data?: string
  readonly cache?: string
  runFolder(id: string): string
}

/** So many times what the largest takes must be free when one more begins. */
const HEADROOM = 1.3

/** Threads that a run would use if it were alone. */
function threadsOf({ run }: SweepEntry): number {
  const { threads } = run.parsed as { threads?: number }
  return Math.min(threads ?? Number.POSITIVE_INFINITY, defaultThreads(run.parsed.dataset))
}

/** Runs on one thread each use processors best; few runs share them. */
export function slotsFor(entries: readonly SweepEntry[], jobs: number | undefined): number {
  const given = entries.map(({ run }) => (run.parsed as { threads?: number }).threads ?? 1)
  const widest = Math.max(1, ...given)
  return Math.max(1, Math.min(jobs ?? Math.floor(availableParallelism() / widest), entries.length))
}

export function localExecutor(
  entries: readonly SweepEntry[],
  { jobs, data, cache, runFolder }: LocalOptions,
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
      const share = Math.floor(availableParallelism() / slots)
      const threads = Math.max(1, Math.min(threadsOf(task), share))
      const args = [...run.args, ...placeArgs(run, { data, cache, threads })]
      const folder = runFolder(task.id)
      const whole = { args, untilEpoch, data: hash, limits, signal }
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
