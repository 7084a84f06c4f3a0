/** The thread that does jobs of replicas for a worker: what is sent to it, and what it does. */

import type { Dataset } from '../../data/dataset.js'
import type { Model } from '../../model.js'
import type { Ask } from '../../runtime/calls.js'
import type { FitOptions } from '../../train/options.js'
import { openRunner, type ReplicaBytes, type Runner } from './runner.js'
import type { ReplicaJob } from './wire.js'

/** Where files are on this machine. */
export interface JobFiles {
  /** Data sets. */
  readonly data?: string
  /** Pictures that were converted once. */
  readonly cache?: string
}

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
