/** The threads of a worker that do jobs of replicas. */

import { SpikewasmError } from '../../base/errors.js'
import type { Dataset } from '../../data/datasets/dataset.js'
import { Thread } from '../../engine/node/thread.js'
import { type Ask, SideEnded } from '../../engine/threads/calls.js'
import type { Model } from '../../model/model.js'
import type { FitOptions } from '../../train/options.js'
import type { JobContext, JobLimits } from '../worker.js'
import {
  openRunner,
  type ReplicaBytes,
  type ReplicaDone,
  type ReplicaHost,
  type Runner,
} from './runner.js'
import type { ReplicaJob } from './wire.js'

/** So long a thread may go on that was asked to end; a step takes less. */
const ENDS_WITHIN_MS = 20_000
/** The longest time that a timer of Node knows; a longer one would end at once. */
const MOST_MS = 2 ** 31 - 1
const LOOK_MS = 500

interface Entry {
  readonly thread: Thread<ReplicaCalls>
  /** The training that its model is of. */
  setting?: string
  busy: boolean
}

/** Threads that run a script which calls `serveReplicas`; as many as there are jobs at a time. */
export class ReplicaThreads implements ReplicaHost {
  private readonly threads: Entry[] = []
  /** Those that do a job; the last one has begun last. */
  private readonly active: Entry[] = []

  constructor(private readonly script: URL) {}

  async run(
    job: ReplicaJob,
    bytes: ReplicaBytes,
    { signal, limits, data, cache, models }: Parameters<ReplicaHost['run']>[2],
  ): Promise<ReplicaDone | undefined> {
    if (signal.aborted) return undefined
    const entry = this.take(job, limits.memoryMB)
    const { thread } = entry
    this.active.push(entry)
    const unguard = this.guard(entry, limits, signal)
    try {
      const transfer = Object.values(bytes).map(({ buffer }) => buffer as ArrayBuffer)
      return await thread.call('run', { job, bytes, files: { data, cache, models } }, { transfer })
    } catch (error) {
      // What failed may have left anything behind.
      if (thread.failure || !(error instanceof SpikewasmError)) await this.drop(entry)
      throw error instanceof SideEnded ? new Error('the thread of a replica has ended') : error
    } finally {
      entry.busy = false
      this.active.splice(this.active.indexOf(entry), 1)
      unguard()
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.splice(0).map(({ thread }) => thread.kill()))
  }

  private take(job: ReplicaJob, memoryMB: number): Entry {
    const idle = this.threads.filter(({ busy }) => !busy)
    const found = idle.find(({ setting }) => setting === job.setting) ?? idle[0]
    const entry = found ?? this.begin(memoryMB)
    entry.busy = true
    entry.setting = job.setting
    return entry
  }

  private begin(memoryMB: number): Entry {
    const resourceLimits = { maxOldGenerationSizeMb: memoryMB }
    const thread = new Thread<ReplicaCalls>(this.script, { resourceLimits })
    const entry = { thread, busy: true }
    this.threads.push(entry)
    thread.worker.once('exit', () => void this.drop(entry))
    return entry
  }

  /** A thread that is in an unknown state is not used again. */
  private async drop(entry: Entry): Promise<void> {
    const at = this.threads.indexOf(entry)
    if (at >= 0) this.threads.splice(at, 1)
    await entry.thread.kill()
  }

  /**
   * Ends a thread whose job takes too long or too much memory, or goes on behind its signal.
   *
   * @returns ends the guard
   */
  private guard({ thread }: Entry, limits: JobLimits, signal: AbortSignal): () => void {
    const { active } = this
    let timer: NodeJS.Timeout | undefined
    const end = (error: Error): void => {
      thread.fail(error)
      void thread.kill()
    }
    const endAfter = (ms: number, error: Error): void => {
      clearTimeout(timer)
      if (ms <= MOST_MS) timer = setTimeout(() => end(error), ms)
    }
    // Hardly anything of a network is in the thread's heap. Which thread has taken what nobody
    // tells; it was enough for those that have begun before.
    const look = setInterval(() => {
      const memoryMB = process.memoryUsage.rss() / 2 ** 20
      if (active.at(-1)?.thread === thread && memoryMB > limits.memoryMB * active.length)
        end(tooMuch(memoryMB / active.length, limits.memoryMB))
    }, LOOK_MS)
    const onAbort = (): void => {
      endAfter(ENDS_WITHIN_MS, new Error('its thread did not end'))
      thread.call('abort', undefined).catch(() => undefined)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    endAfter(
      1000 * limits.seconds,
      new Error(`a replica took longer than its limit of ${limits.seconds} s (--time-limit)`),
    )
    return () => {
      clearTimeout(timer)
      clearInterval(look)
      signal.removeEventListener('abort', onAbort)
    }
  }
}

const tooMuch = (memoryMB: number, limit: number): Error =>
  new SpikewasmError(
    `the replica took ${Math.round(memoryMB)} MB of memory with its worker, more than its limit ` +
      `of ${Math.round(limit)} MB (--memory-limit)`,
  )

// The thread that does jobs of replicas for a worker: what is sent to it, and what it does.

/** Where files are on this machine. */
export type JobFiles = Pick<JobContext, 'data' | 'cache' | 'models'>

/** A model, its data, and the options that a job asks for. */
export interface Opened {
  readonly model: Model
  readonly data: Dataset
  readonly fit: FitOptions
}

/**
 * Does jobs, one after the other. A model stays for the next job of the same run.
 *
 * @param open makes what a job's options ask for
 */
export function replicaCalls(open: (job: ReplicaJob, files: JobFiles) => Promise<Opened>) {
  let held: Runner | undefined
  let end = new AbortController()

  const runnerFor = async (job: ReplicaJob, files: JobFiles): Promise<Runner> => {
    if (held?.id.setting === job.setting) return held
    const before = held
    held = undefined
    await before?.model.dispose()
    const opened = await open(job, files)
    try {
      const { model, fit } = opened
      held = await openRunner(model, opened.data, fit, job.rounds)
    } catch (error) {
      await opened.model.dispose()
      throw error
    }
    return held
  }

  return {
    async run(
      { job, bytes, files }: { job: ReplicaJob; bytes: ReplicaBytes; files: JobFiles },
      { transfer }: Pick<Ask, 'transfer'>,
    ) {
      end = new AbortController()
      const runner = await runnerFor(job, files)
      const done = await runner.run(job, bytes, end.signal)
      if (done) transfer.push(done.sent.buffer as ArrayBuffer, done.state.buffer as ArrayBuffer)
      return done
    },
    abort: () => end.abort(),
  }
}

export type ReplicaCalls = ReturnType<typeof replicaCalls>
