/** The server of a dashboard: the page of a run, and what it hears. */

import { livePage } from '../../pages/live.js'
import type { EpochFigures, RunStatus, StepPoint } from '../../pages/run.js'
import { RunHistory, type RunStart } from './history.js'
import { servePage } from './serve.js'

/** How far a run is, is told no more often. */
const STATUS_MS = 500

export interface RunServer {
  /** The address of the page, with its token. */
  readonly url: string
  /** Clients that listen. */
  readonly clients: number
  step(point: StepPoint, status: RunStatus, layers: readonly string[]): void
  epoch(record: EpochFigures, status: RunStatus): void
  /** Tells clients how the run ended, and closes all connections. */
  close(status: RunStatus): Promise<void>
}

/**
 * @param port 0: one that is free
 * @throws SpikewasmError when the port is taken
 */
export async function serveRun(start: RunStart, port = 0): Promise<RunServer> {
  const history = new RunHistory(start)
  const html = await livePage(start.title)
  const server = await servePage({ html, whole: () => ['history', history.state()] }, port)
  let toldStatus = Number.NEGATIVE_INFINITY

  const tellStatus = (status: RunStatus): void => {
    history.status = status
    const now = performance.now()
    if (now - toldStatus < STATUS_MS) return
    toldStatus = now
    server.send('status', status)
  }

  return {
    url: server.url,
    get clients() {
      return server.clients
    },
    step(point, status, layers) {
      history.layers = layers
      const { added, thinned } = history.addStep(point)
      history.status = status
      if (thinned) server.send('history', history.state())
      else if (added) server.send('step', { point: added, status, layers })
      else tellStatus(status)
    },
    epoch(record, status) {
      history.status = status
      if (history.addEpoch(record)) server.send('history', history.state())
      else server.send('epoch', { record, status })
    },
    close(status) {
      history.status = status
      return server.close('end', status)
    },
  }
}
