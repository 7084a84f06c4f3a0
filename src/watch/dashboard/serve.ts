/**
 * A server of one page and its events, for this machine alone. Whoever does not know the token gets
 * nothing, nor does a page of elsewhere that a name was made to lead here.
 */

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SpikewasmError } from '../../base/errors.js'
import { policyOf } from '../pages/frame.js'

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

  /** Clients that listen. */
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
