/** The thread of a dashboard's server: it answers while a step keeps the training's thread busy. */

import type { EpochFigures, RunStatus, StepPoint } from '../../pages/run.js'
import { serveThread } from '../../runtime/node/thread.js'
import { type RunServer, type RunStart, serveRun } from './server.js'

/** A step, as the training's thread tells of it. */
export interface StepNews {
  readonly point: StepPoint
  readonly status: RunStatus
  readonly layers: readonly string[]
}

let server: RunServer | undefined

const calls = {
  /** @returns the address */
  async open({ start, port }: { start: RunStart; port: number }): Promise<string> {
    server = await serveRun(start, port)
    return server.url
  },
  step: ({ point, status, layers }: StepNews) => server?.step(point, status, layers),
  epoch: ({ record, status }: { record: EpochFigures; status: RunStatus }) =>
    server?.epoch(record, status),
  close: (status: RunStatus) => server?.close(status),
}

export type DashboardCalls = typeof calls

serveThread(calls)
