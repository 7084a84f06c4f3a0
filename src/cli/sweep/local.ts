/** Runs of a sweep on this machine: as many at a time as processors and memory allow. */

import { rm } from 'node:fs/promises'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { defaultThreads } from '../datasets.js'
import { holdsRun } from '../run-folder.js'
import type { Executor, SweepEntry } from './engine.js'
import { placeArgs } from './place.js'
import { RunStopped, trainIn } from './run-child.js'

export interface LocalOptions {
  /** At a time; default: as many as processors and memory allow. */
  readonly jobs?: number
  readonly data?: string
  readonly cache?: string
  runFolder(id: string): string
}

/** Of what is free when one more begins, so much of what the largest takes must be there. */
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
      const folder = runFolder(task.id)
      const threads = Math.max(
        1,
        Math.min(threadsOf(task), Math.floor(availableParallelism() / slots)),
      )
      const train = () =>
        trainIn(folder, {
          args: [...task.run.args, ...placeArgs(task.run, { data, cache, threads })],
          untilEpoch: task.until,
          dataHash: task.dataHash,
          ...{ limits, signal },
          onNews(news) {
            if (news.memoryMB !== undefined) largest = Math.max(largest ?? 0, news.memoryMB)
            onNews(news)
          },
        })
      const begun = await holdsRun(folder)
      try {
        return await train()
      } catch (error) {
        if (!begun || error instanceof RunStopped) throw error
        // What another version or a broken disk has left: results do not depend on it.
        await rm(folder, { recursive: true, force: true })
        return await train()
      }
    },
  }
}

/** MB that programs may still take. */
const free = (): number => freemem() / 2 ** 20
