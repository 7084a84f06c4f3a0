/** The thread that does jobs of replicas for a worker: what is sent to it, and what it does. */

import type { MessagePort } from 'node:worker_threads'
import type { Dataset } from '../../data/dataset.js'
import { SpikewasmError } from '../../errors.js'
import type { Model } from '../../model.js'
import type { FitOptions } from '../../train/options.js'
import { type ReplicaBytes, type ReplicaDone, Runner } from './runner.js'
import type { ReplicaJob } from './wire.js'

/** Where files are on this machine. */
export interface JobFiles {
  /** Data sets. */
  readonly data?: string
  /** Pictures that were converted once. */
  readonly cache?: string
}

export type ToThread =
  | {
      readonly what: 'run'
      readonly job: ReplicaJob
      readonly bytes: ReplicaBytes
      readonly files: JobFiles
    }
  | { readonly what: 'abort' }

export type FromThread =
  | { readonly what: 'done'; readonly done: ReplicaDone | undefined }
  /** `isOurs`: what no other attempt would mend. */
  | { readonly what: 'failed'; readonly message: string; readonly isOurs: boolean }

/** A model, its data, and the options that a job asks for. */
export interface Opened {
  readonly model: Model
  readonly data: Dataset
  readonly fit: FitOptions
}

/**
 * Does jobs until its thread ends. A model stays for the next job of the same run.
 *
 * @param open makes what a job's options ask for
 */
export function serveReplicas(
  port: MessagePort,
  open: (job: ReplicaJob, files: JobFiles) => Promise<Opened>,
): void {
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
      held = await Runner.open(model, opened.data, fit, job.rounds)
    } catch (error) {
      await opened.model.dispose()
      throw error
    }
    return held
  }

  port.on('message', async (message: ToThread) => {
    if (message.what === 'abort') {
      end.abort()
      return
    }
    end = new AbortController()
    const { job, bytes, files } = message
    let answer: FromThread
    const moved: ArrayBuffer[] = []
    try {
      const runner = await runnerFor(job, files)
      const done = await runner.run(job, bytes, end.signal)
      if (done) moved.push(done.sent.buffer as ArrayBuffer, done.state.buffer as ArrayBuffer)
      answer = { what: 'done', done }
    } catch (error) {
      const isOurs = error instanceof SpikewasmError
      answer = { what: 'failed', message: (error as Error).message, isOurs }
    }
    port.postMessage(answer, moved)
  })
}
