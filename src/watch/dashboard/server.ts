/** The server of a dashboard: the page of a run, and what it hears. */

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SpikewasmError } from '../../base/errors.js'
import { mean } from '../../base/numbers.js'
import { escapeHtml, figureHtml, pageHtml, policyOf } from '../pages/frame.js'
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

// A server of one page and its events, for this machine alone. Whoever does not know the token gets
// nothing, nor does a page of elsewhere that a name was made to lead here.

/** A page that is open more often gets no events. */
const MOST_CLIENTS = 16
/** Bytes that wait for a client; more are not written to one that does not read. */
const MOST_WAITING = 1 << 20
/** A client that has not read for so long is let go of. */
const PATIENCE_MS = 60_000
const BEAT_MS = 15_000
/** When all has ended, clients have so long to hear of it. */
const LAST_MS = 250

interface Client {
  readonly response: ServerResponse
  /** Since when it has not read what was written; the next thing it gets is all of it anew. */
  behind?: number
}

const loopback = ['127.0.0.1', 'localhost', '[::1]']

interface Served {
  readonly html: string
  /** All there is to show, for a client that begins to listen: an event's name and value. */
  whole(): readonly [name: string, value: unknown]
}

export class PageServer {
  private readonly token = randomBytes(18).toString('base64url')
  private readonly policy: string
  private readonly listeners = new Set<Client>()
  private readonly server: Server
  private beat: NodeJS.Timeout | undefined
  private ended = false

  constructor(private readonly served: Served) {
    this.policy = `${policyOf(served.html)}; frame-ancestors 'none'`
    const limits = { maxHeaderSize: 8192, requestTimeout: 10_000 }
    this.server = createServer(limits, (request, response) => this.answer(request, response))
  }

  /**
   * @param port 0: one that is free
   * @throws SpikewasmError when the port is taken
   */
  async open(port: number): Promise<void> {
    await listening(this.server, port)
    this.beat = setInterval(() => {
      for (const client of this.listeners) {
        if (client.behind === undefined) client.response.write(': \n\n')
        else send(client, '', undefined)
      }
    }, BEAT_MS).unref()
  }

  /** The address of the page, with its token. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/${this.token}/`
  }

  /** Open streams of events: one for each tab that shows the page. */
  get clients(): number {
    return this.listeners.size
  }

  send(name: string, value: unknown): void {
    for (const client of this.listeners) send(client, name, value)
  }

  /** Tells clients the last thing, and closes all connections. */
  async close(name: string, value: unknown): Promise<void> {
    const { server } = this
    this.ended = true
    clearInterval(this.beat)
    this.send(name, value)
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const { response } of this.listeners) response.end()
    server.closeIdleConnections()
    const timer = setTimeout(() => server.closeAllConnections(), LAST_MS)
    await closed
    clearTimeout(timer)
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const { token } = this
    const { method = '', url = '', headers: asked } = request
    const host = (asked.host ?? '').replace(/:\d+$/, '').toLowerCase()
    const [path] = url.split('?')
    const [, given = '', ...rest] = path.split('/')
    const name = rest.join('/')
    if (!loopback.includes(host)) refuse(response, 403, 'this page is for its machine alone')
    else if (!isSame(given, token)) refuse(response, 404, 'not found')
    else if (method !== 'GET' && method !== 'HEAD') refuse(response, 405, 'only GET and HEAD')
    else if (rest.length === 0) {
      response.writeHead(308, { ...headers, Location: `/${token}/` }).end()
    } else if (name === 'events' && method === 'GET' && !this.ended) this.listen(request, response)
    else if (name === '') {
      response.writeHead(200, {
        ...headers,
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': this.policy,
      })
      response.end(method === 'HEAD' ? undefined : this.served.html)
    } else refuse(response, 404, 'not found')
  }

  private listen(request: IncomingMessage, response: ServerResponse): void {
    const { listeners, served } = this
    if (listeners.size >= MOST_CLIENTS) {
      refuse(response, 503, 'too many pages are open')
      return
    }
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream; charset=utf-8' })
    const client: Client = { response }
    const leave = (): void => void listeners.delete(client)
    listeners.add(client)
    request.on('close', leave)
    response.on('close', leave)
    // Who goes away amid a message has left.
    response.on('error', leave)
    response.on('drain', () => {
      if (client.behind === undefined) return
      client.behind = undefined
      send(client, ...served.whole())
    })
    response.write('retry: 1000\n\n')
    send(client, ...served.whole())
  }
}

/** A server that is open, as `PageServer.open` says. */
export async function servePage(served: Served, port = 0): Promise<PageServer> {
  const server = new PageServer(served)
  await server.open(port)
  return server
}

function send(client: Client, name: string, value: unknown): void {
  const { response } = client
  if (client.behind !== undefined) {
    if (performance.now() - client.behind > PATIENCE_MS) response.destroy()
    return
  }
  response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)
  if (response.writableLength > MOST_WAITING) client.behind = performance.now()
}

/** Nothing is kept, guessed, or read by a page of elsewhere. */
const headers = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
}

function refuse(response: ServerResponse, code: number, why: string): void {
  response.writeHead(code, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' })
  response.end(`${why}\n`)
}

/** Takes as long whatever differs. */
function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)]
  return a.length === b.length && timingSafeEqual(a, b)
}

function listening(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        new SpikewasmError(
          error.code === 'EADDRINUSE'
            ? `dashboard.port must be free, got ${port}, which another program uses; give ` +
                'another, or leave it out for a free one'
            : `dashboard.port must be one to listen on, got ${port}: ${error.message}`,
          { cause: error },
        ),
      ),
    )
    server.listen({ port, host: '127.0.0.1' }, resolve)
  })
}

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
    const fitting = Math.floor(MOST_NUMBERS / (5 + this.layers.length))
    const most = Math.max(100, Math.min(MOST_POINTS, fitting))
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
