/** The thread of a dashboard's server: it answers while a step keeps the training's thread busy. */

import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { SpikewasmError } from '../../errors.js'
import type { EpochFigures, RunStatus, StepPoint } from '../../pages/run.js'
import type { RunStart } from './history.js'
import { serveRun } from './server.js'

/** What the training's thread says. */
export type DashboardNews =
  | {
      readonly call: 'step'
      readonly point: StepPoint
      readonly status: RunStatus
      readonly layers: readonly string[]
    }
  | { readonly call: 'epoch'; readonly record: EpochFigures; readonly status: RunStatus }
  | { readonly call: 'close'; readonly status: RunStatus }

/** What the server's thread answers, once. */
export interface DashboardAnswer {
  readonly url?: string
  /** Errors lose their kind on the way. */
  readonly error?: { readonly message: string; readonly isOurs: boolean }
}

/** What it starts from. */
export interface DashboardStart {
  readonly start: RunStart
  readonly port: number
}

async function serve(port: MessagePort): Promise<void> {
  const { start, port: asked } = workerData as DashboardStart
  const say = (answer: DashboardAnswer): void => port.postMessage(answer)
  try {
    const server = await serveRun(start, asked)
    const hear = (news: DashboardNews): void => {
      if (news.call === 'step') server.step(news.point, news.status, news.layers)
      else if (news.call === 'epoch') server.epoch(news.record, news.status)
      // A thread that listens to nobody ends. The port of a thread in Deno has no `close`.
      else void server.close(news.status).finally(() => port.off('message', hear))
    }
    port.on('message', hear)
    say({ url: server.url })
  } catch (error) {
    const { message } = error as Error
    say({ error: { message, isOurs: error instanceof SpikewasmError } })
  }
}

if (parentPort) void serve(parentPort)
