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

/**
 * @param whole all there is to show, for a client that begins to listen: an event's name and value
 * @param port 0: one that is free
 * @throws SpikewasmError when the port is taken
 */
export async function servePage(
  { html: page, whole }: { html: string; whole(): readonly [name: string, value: unknown] },
  port = 0,
) {
  const token = randomBytes(18).toString('base64url')
  const policy = `${policyOf(page)}; frame-ancestors 'none'`
  const clients = new Set<Client>()
  let ended = false

  const write = ({ response }: Client, name: string, value: unknown): boolean =>
    response.write(`event: ${name}\ndata: ${JSON.stringify(value)}\n\n`)

  const send = (client: Client, name: string, value: unknown): void => {
    const { response } = client
    if (client.behind !== undefined) {
      if (performance.now() - client.behind > PATIENCE_MS) response.destroy()
      return
    }
    write(client, name, value)
    if (response.writableLength > MOST_WAITING) client.behind = performance.now()
  }
  const sendAll = (name: string, value: unknown): void => {
    for (const client of clients) send(client, name, value)
  }

  const listen = (request: IncomingMessage, response: ServerResponse): void => {
    if (clients.size >= MOST_CLIENTS) {
      refuse(response, 503, 'too many pages are open')
      return
    }
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream; charset=utf-8' })
    const client: Client = { response }
    clients.add(client)
    request.on('close', () => clients.delete(client))
    response.on('close', () => clients.delete(client))
    // Who goes away amid a message is gone.
    response.on('error', () => clients.delete(client))
    response.on('drain', () => {
      if (client.behind === undefined) return
      client.behind = undefined
      send(client, ...whole())
    })
    response.write('retry: 1000\n\n')
    send(client, ...whole())
  }

  const answer = (request: IncomingMessage, response: ServerResponse): void => {
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
    } else if (name === 'events' && method === 'GET' && !ended) listen(request, response)
    else if (name === '') {
      response.writeHead(200, {
        ...headers,
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': policy,
      })
      response.end(method === 'HEAD' ? undefined : page)
    } else refuse(response, 404, 'not found')
  }

  const server = createServer({ maxHeaderSize: 8192, requestTimeout: 10_000 }, answer)
  await listening(server, port)
  const { port: taken } = server.address() as AddressInfo
  const beat = setInterval(() => {
    for (const client of clients) {
      if (client.behind === undefined) client.response.write(': \n\n')
      else send(client, '', undefined)
    }
  }, BEAT_MS)
  beat.unref()

  return {
    /** The address of the page, with its token. */
    url: `http://127.0.0.1:${taken}/${token}/`,
    /** Clients that listen. */
    get clients() {
      return clients.size
    },
    send: sendAll,
    /** Tells clients the last thing, and closes all connections. */
    async close(name: string, value: unknown): Promise<void> {
      ended = true
      clearInterval(beat)
      sendAll(name, value)
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const { response } of clients) response.end()
      server.closeIdleConnections()
      const late = setTimeout(() => server.closeAllConnections(), LAST_MS)
      await closed
      clearTimeout(late)
    },
  }
}

export type PageServer = Awaited<ReturnType<typeof servePage>>

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
