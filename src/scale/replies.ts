/**
 * What Redis answers, bounded. It says how long a value is before the value comes. One that is too
 * long is dropped piece by piece, and a short text stands in its place. So who can write to Redis
 * cannot fill the memory of who reads there, whatever is asked for.
 */

import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { RedisOptions } from 'ioredis'

/** Bytes of a value, and of all values of an answer: more than any job of ours has. */
export const MOST_VALUE = 4 * 2 ** 20
export const MOST_REPLY = 8 * 2 ** 20
/** Values of a list. */
const MOST_ITEMS = 2 ** 17
/** Bytes of a line. */
const MOST_LINE = 2 ** 16

const CRLF = '\r\n'
/** What stands in the place of a text: no JSON, no number, no version and no id of ours. */
export const LEFT_OUT = 'left out'

/** What a line begins with whose number says how many bytes follow. */
const texts = '$=!'
/** The same of values, and how many there are of each; attributes (`|`) stand before a value. */
const lists: Readonly<Record<string, number>> = { '*': 1, '~': 1, '>': 1, '%': 2, '|': 2 }

/** Follows a stream of answers (RESP 2 and 3). */
export class ReplyBound {
  /** The beginning of a line. */
  private held: Buffer = Buffer.alloc(0)
  /** Bytes of a text that are to come, with the end of its line. */
  private rest = 0
  private isLeftOut = false
  /** Values of this answer that are to come. */
  private pending = 0
  /** So many of them follow the list that is left out. */
  private behind: number | undefined
  /** Bytes of this answer that are let through. */
  private total = 0

  /**
   * @returns what of a piece of the stream is to be read
   * @throws Error for what no Redis answers
   */
  pass(piece: Buffer): Buffer {
    const data = this.held.length > 0 ? Buffer.concat([this.held, piece]) : piece
    this.held = data.subarray(data.length)
    const out: Buffer[] = []
    let at = 0
    while (at < data.length) {
      const isText = this.rest > 0
      const line = isText ? 0 : data.indexOf(CRLF, at)
      if (line < 0) {
        if (data.length - at > MOST_LINE) throw new Error('a line of an answer is too long')
        // A copy: what it is a part of may be large.
        this.held = Buffer.from(data.subarray(at))
        break
      }
      const end = isText ? Math.min(data.length, at + this.rest) : line + CRLF.length
      const isRead = this.behind === undefined && !this.isLeftOut
      const instead = isText ? this.follow(end - at) : this.begin(data.subarray(at, end))
      if (isRead) out.push(instead ?? data.subarray(at, end))
      at = end
    }
    return out.length === 1 ? out[0] : Buffer.concat(out)
  }

  /** So many bytes of a text. */
  private follow(length: number): undefined {
    this.rest -= length
    if (this.rest > 0) return
    this.isLeftOut = false
    this.end(1)
  }

  /** @returns what stands in the place of something that is too long */
  private begin(line: Buffer): Buffer | undefined {
    const kind = String.fromCharCode(line[0])
    const count = Number(line.toString('latin1', 1, Math.min(line.length, 32)))
    if (this.pending === 0) [this.pending, this.total] = [1, 0]
    this.total += line.length
    if (texts.includes(kind) && count >= 0) {
      this.rest = count + CRLF.length
      this.isLeftOut = count > MOST_VALUE || this.total + count > MOST_REPLY
      if (this.isLeftOut) return Buffer.from(`$${LEFT_OUT.length}${CRLF}${LEFT_OUT}${CRLF}`)
      this.total += count
      return undefined
    }
    const own = kind === '|' ? 0 : 1
    if (!(lists[kind] * count > 0)) {
      this.end(own)
      return undefined
    }
    const isLong = count > MOST_ITEMS
    if (isLong) this.behind ??= this.pending - own
    this.pending += lists[kind] * count - own
    return isLong ? Buffer.from(`${kind}0${CRLF}`) : undefined
  }

  private end(values: number): void {
    this.pending -= values
    if (this.pending === this.behind) this.behind = undefined
  }
}

/** What is used of `ioredis`. */
type AbstractConnector = typeof import('ioredis').AbstractConnector

/** Connections of `ioredis` whose answers are bounded. */
export function boundedConnector(Base: AbstractConnector): RedisOptions['Connector'] {
  return class extends Base {
    constructor(private readonly options: RedisOptions) {
      super(options.disconnectTimeout ?? 2000)
    }

    async connect(): Promise<Socket> {
      this.connecting = true
      // One that is ended at once must not connect.
      await new Promise((resolve) => process.nextTick(resolve))
      if (!this.connecting) throw new Error('Connection is closed.')
      const { host = '127.0.0.1', port = 6379, tls } = this.options
      const socket = tls ? connectTls({ host, port, ...tls }) : createConnection({ host, port })
      this.stream = socket
      socket.once('error', (error) => {
        this.firstError = error
      })
      return bounded(socket)
    }
  } as unknown as RedisOptions['Connector']
}

/** Who listens hears of the answers as they are let through. */
function bounded(socket: Socket): Socket {
  const bound = new ReplyBound()
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean
  socket.emit = (event: string, ...args: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...args)
    try {
      return emit(event, bound.pass(args[0] as Buffer))
    } catch (error) {
      socket.destroy(error as Error)
      return false
    }
  }
  return socket
}
