/** The server of a dashboard: the page of a run, and what it hears. */

import { mean } from '../../base/numbers.js'
import { escapeHtml, figureHtml, pageHtml } from '../pages/frame.js'
import {
  columns,
  type EpochFigures,
  mostRecords,
  noSteps,
  type RunState,
  type RunStatus,
  runFigures,
  type StepCurves,
  type StepPoint,
  thinned,
} from '../pages/run.js'
import { servePage } from './serve.js'

// The page of a run that goes on. Its server gives it what there is to show.

const cards = {
  loss: 'loss of the last steps',
  accuracy: 'accuracy on the test data',
  best: 'best accuracy',
  speed: 'samples',
  lowest: 'lowest firing rate',
}

export function livePage(title: string): Promise<string> {
  const figures = runFigures({ layers: [], records: [], steps: noSteps }, true)
  const body = `<h1 id="live">${escapeHtml(title)}</h1>
<p class="status" id="status" role="status">Waiting for the first step.</p>
<progress id="share" max="1" value="0" aria-label="share of the run"></progress>
<ul class="cards">
${Object.entries(cards)
  .map(([id, what]) => `<li><b id="card-${id}">–</b><span>${what}</span></li>`)
  .join('\n')}
</ul>
${figures.map((figure) => figureHtml(figure)).join('')}<section>
<h2>Options of the run</h2>
<div class="wide" tabindex="0" role="region" aria-label="options of the run">
<table class="text values"><tbody id="options"></tbody></table>
</div>
</section>
`
  return pageHtml({ title, body, live: true, style: '#share { width: 100%; }' })
}

// What a dashboard shows of a run, kept small: points are put together when they become many.

/** What is known when a run begins. */
export type RunStart = Omit<RunState, 'layers' | 'steps'>

/** Numbers of all points together. */
const MOST_NUMBERS = 60_000
const MOST_POINTS = 1500

export class RunHistory {
  private readonly points: StepPoint[] = []
  private records: EpochFigures[]
  /** Points that one of `points` is the mean of, and those that are to become one. */
  private stride = 1
  private waiting: StepPoint[] = []
  layers: readonly string[] = []
  status: RunStatus

  constructor(private readonly start: RunStart) {
    this.status = start.status
    this.records = [...start.records]
  }

  /**
   * @returns the point that was added, if one was, and whether earlier ones were put together
   */
  addStep(point: StepPoint): { readonly added?: StepPoint; readonly thinned: boolean } {
    this.waiting.push(point)
    if (this.waiting.length < this.stride) return { thinned: false }
    const added = rounded(meanOf(this.waiting))
    this.waiting = []
    this.points.push(added)
    const most = Math.max(
      100,
      Math.min(MOST_POINTS, Math.floor(MOST_NUMBERS / (5 + this.layers.length))),
    )
    if (this.points.length < most) return { added, thinned: false }
    const all = this.points.splice(0)
    for (let i = 0; i < all.length; i += 2) this.points.push(rounded(meanOf(all.slice(i, i + 2))))
    this.stride *= 2
    return { added, thinned: true }
  }

  /** @returns whether earlier ones were left out */
  addEpoch(record: EpochFigures): boolean {
    this.records.push(record)
    const most = mostRecords(this.layers.length)
    // Half of them, so that it is seldom.
    if (this.records.length <= most) return false
    this.records = thinned(this.records, Math.ceil(most / 2))
    return true
  }

  state(): RunState {
    const { points, records, layers, status } = this
    const { title, options } = this.start
    const steps = columns.map((key) => [key, points.map((point) => point[key])])
    return {
      title,
      options,
      layers,
      status,
      records,
      steps: {
        ...(Object.fromEntries(steps) as StepCurves),
        rates: layers.map((_, i) => points.map(({ rates }) => rates[i] ?? 0)),
      },
    }
  }
}

/** The place and what is of the epoch so far are those of the last one. */
function meanOf(points: readonly StepPoint[]): StepPoint {
  const last = points[points.length - 1]
  if (points.length === 1) return last
  return {
    ...last,
    loss: mean(points.map(({ loss }) => loss)),
    stepMs: mean(points.map(({ stepMs }) => stepMs)),
    rates: last.rates.map((_, i) => mean(points.map(({ rates }) => rates[i] ?? 0))),
  }
}

/** Five figures: more are not seen, and take room. */
function rounded({ at, loss, accuracy, learningRate, stepMs, rates }: StepPoint): StepPoint {
  const short = (value: number): number => Number(value.toPrecision(5))
  return {
    at: Number(at.toFixed(5)),
    loss: short(loss),
    accuracy: accuracy === null ? null : short(accuracy),
    learningRate: short(learningRate),
    stepMs: short(stepMs),
    rates: rates.map(short),
  }
}

/** How far a run is, is told no more often. */
const STATUS_MS = 500

/** A step, as the training's thread tells of it. */
export interface StepNews {
  readonly point: StepPoint
  readonly status: RunStatus
  readonly layers: readonly string[]
}

/**
 * @param port 0: one that is free
 * @throws SpikewasmError when the port is taken
 */
export async function serveRun(start: RunStart, port = 0) {
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
    /** The address of the page, with its token. */
    url: server.url,
    /** Clients that listen. */
    get clients() {
      return server.clients
    },
    step({ point, status, layers }: StepNews): void {
      history.layers = layers
      const { added, thinned } = history.addStep(point)
      history.status = status
      if (thinned) server.send('history', history.state())
      else if (added) server.send('step', { point: added, status, layers })
      else tellStatus(status)
    },
    epoch({ record, status }: { record: EpochFigures; status: RunStatus }): void {
      history.status = status
      if (history.addEpoch(record)) server.send('history', history.state())
      else server.send('epoch', { record, status })
    },
    /** Tells clients how the run ended, and closes all connections. */
    close(status: RunStatus): Promise<void> {
      history.status = status
      return server.close('end', status)
    },
  }
}
