/** The thread of a dashboard's server: it answers while a step keeps the training's thread busy. */

import { serveThread } from '../../engine/node/thread.js'
import type { RunStatus } from '../pages/run.js'
import { type RunStart, type StepNews, serveRun } from './server.js'

type Server = Awaited<ReturnType<typeof serveRun>>

let server: Server | undefined

const calls = {
  /** @returns the address */
  async open({ start, port }: { start: RunStart; port: number }): Promise<string> {
    server = await serveRun(start, port)
    return server.url
  },
  step: (news: StepNews) => server?.step(news),
  epoch: (news: Parameters<Server['epoch']>[0]) => server?.epoch(news),
  close: (status: RunStatus) => server?.close(status),
}

export type DashboardCalls = typeof calls

serveThread(calls)
