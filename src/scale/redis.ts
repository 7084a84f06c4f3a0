/**
 * Redis, where jobs and their bytes are: its address and password, and connections that mend
 * themselves. The one file that loads the packages `bullmq` and `ioredis`.
 */

import { createConnection, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { Queue, QueueEvents, QueueOptions } from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import { fail, plainText, quote } from '../base/errors.js'

// What Redis answers, bounded. It says how long a value is before the value comes. One that is too
// long is dropped piece by piece, and a short text stands in its place. So who can write to Redis
// cannot fill the memory of who reads there, whatever is asked for.

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

/** The password of Redis is in this variable of the environment, and nowhere else. */
export const PASSWORD = 'SPIKEWASM_REDIS_PASSWORD'

/** What all names in Redis begin with. */
export const defaultNamespace = 'spikewasm'

type Bull = typeof import('bullmq')
/** What is used of `ioredis`. */
type IoRedis = Pick<typeof import('ioredis'), 'Redis' | 'AbstractConnector'>

/** What `bullmq` packs messages with would take a native binary along; it works without. */
const NO_NATIVE = 'MSGPACKR_NATIVE_ACCELERATION_DISABLED'

/** @throws SpikewasmError with the command that installs the packages, where one is missing */
export async function loadQueues(): Promise<{ bull: Bull; io: IoRedis }> {
  process.env[NO_NATIVE] ??= 'true'
  try {
    const [bull, io] = await Promise.all([import('bullmq'), import('ioredis')])
    return { bull, io }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    fail(
      '--redis needs the packages bullmq and ioredis, which are not installed; install them with ' +
        'npm install bullmq ioredis',
      error,
    )
  }
}

/**
 * Where Redis is; the `url` of it may be shown: it never holds a password.
 *
 * @param url `redis://host:port/db`, or `rediss://…` for TLS; a user's name may stand before `@`
 * @throws SpikewasmError for another address, or one with a password, which is not repeated
 */
export function parseRedisUrl(url: string) {
  const text = String(url)
  const parsed = URL.canParse(text) ? new URL(text) : undefined
  const scheme = parsed?.protocol
  // A password with a slash or a sign of number divides an address elsewhere, so that its parts say
  // nothing of it. Nothing that may hold one is repeated.
  const behind = text.slice(/^\w+:\/\//.exec(text)?.[0].length ?? 0)
  if (/:.*@/s.test(behind) || /pass|auth/i.test(behind.split('?', 2)[1] ?? ''))
    fail(
      `--redis must hold no password, which lists of processes and logs would show; give it in ` +
        `the environment, as ${PASSWORD}`,
    )
  if (!parsed || (scheme !== 'redis:' && scheme !== 'rediss:') || parsed.hostname === '')
    fail(
      `--redis must be an address such as redis://127.0.0.1:6379, or rediss:// for TLS, got ` +
        quote(text),
    )
  const [, database = ''] = parsed.pathname.split('/')
  const isPlain = parsed.search === '' && parsed.hash === '' && /^[\w.~+-]*$/.test(parsed.username)
  if (!/^\/?\d{0,4}$/.test(parsed.pathname) || !isPlain)
    fail(
      `--redis must be a host, with a user's name of letters and digits before it and the number ` +
        `of a database behind it at most, got ${quote(text)}`,
    )
  const { username } = parsed
  const port = parsed.port === '' ? 6379 : Number(parsed.port)
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1')
  const db = Number(database)
  const shown = `${scheme}//${username && `${username}@`}${parsed.hostname}`
  return {
    url: `${shown}:${port}${db === 0 ? '' : `/${db}`}`,
    host,
    port,
    db,
    username: username === '' ? undefined : username,
    tls: scheme === 'rediss:',
  }
}

/** @throws SpikewasmError for a name that Redis or a queue would read as something else */
export function checkNamespace(name: string): string {
  if (!/^[A-Za-z0-9][\w.-]{0,63}$/.test(name))
    fail(
      `--namespace must be letters, digits, dots, dashes and underscores, at most 64, got ` +
        quote(name),
    )
  return name
}

/** How long a first connection may take. */
const FIRST_MS = 10_000
/** Between two tries to connect again. */
const MOST_WAIT_MS = 2000

/** A connected Redis, and what BullMQ needs of it. */
export class RedisPlace {
  private constructor(
    readonly address: ReturnType<typeof parseRedisUrl>,
    readonly namespace: string,
    readonly bull: Bull,
    /** For commands of our own. */
    readonly client: Redis,
  ) {}

  private readonly others: Redis[] = []

  /**
   * Connects. From then on a connection that is lost is mended, however long that takes.
   *
   * @param onTrouble told once when the connection is lost, and with undefined when it is back
   * @throws SpikewasmError when there is no Redis, or it wants another password
   */
  static async open(
    url: string,
    {
      namespace = defaultNamespace,
      onTrouble = () => {},
    }: { namespace?: string; onTrouble?: (problem: string | undefined) => void } = {},
  ): Promise<RedisPlace> {
    const address = parseRedisUrl(url)
    checkNamespace(namespace)
    const { bull, io } = await loadQueues()
    let isOpen = false
    const { host, port, db, username, tls } = address
    const password = process.env[PASSWORD]
    const options: RedisOptions & { replyMapping?: 'legacy' } = {
      host,
      port,
      db,
      username,
      lazyConnect: true,
      connectTimeout: FIRST_MS,
      ...(password ? { password } : {}),
      ...(tls ? { tls: {} } : {}),
      Connector: boundedConnector(io.AbstractConnector),
      // A command waits for the connection as long as it must.
      maxRetriesPerRequest: null,
      retryStrategy: (times: number) => (isOpen ? Math.min(100 * times, MOST_WAIT_MS) : null),
    }
    const client: Redis = new io.Redis<'legacy'>(options)
    let problem: string | undefined
    let told: string | undefined
    client.on('error', (error: Error) => {
      problem = explain(error)
    })
    client.on('close', () => {
      if (!isOpen || told !== undefined) return
      told = problem ?? 'it was closed'
      onTrouble(`the connection to ${address.url} is lost: ${told}; trying again`)
    })
    client.on('ready', () => {
      problem = undefined
      if (told === undefined) return
      told = undefined
      onTrouble(undefined)
    })
    try {
      await client.connect()
      await client.ping()
    } catch (error) {
      client.disconnect()
      fail(
        `--redis must be a Redis that answers, got ${address.url}: ` +
          (problem ?? explain(error as Error)),
        error,
      )
    }
    isOpen = true
    return new RedisPlace(address, namespace, bull, client)
  }

  /** Whether Redis can be asked something now. */
  get isConnected(): boolean {
    return this.client.status === 'ready'
  }

  /** One more connection, for BullMQ; it is closed with the others. */
  connect(): Redis {
    const more = this.client.duplicate()
    // Without a listener an error of a connection would end the process.
    more.on('error', () => {})
    this.others.push(more)
    return more
  }

  /** A queue; that a connection is lost, `onTrouble` is told once. */
  queue(name: string, more: Partial<QueueOptions> = {}): Queue {
    const { namespace: prefix, bull } = this
    const { connection = this.connect() } = more
    const queue = new bull.Queue(name, { connection, prefix, ...more })
    return queue.on('error', () => {})
  }

  /** What happens in a queue. */
  events(name: string): QueueEvents {
    const { namespace: prefix, bull } = this
    const events = new bull.QueueEvents(name, { connection: this.connect(), prefix })
    return events.on('error', () => {})
  }

  /** A name of ours in Redis. */
  key(...parts: readonly string[]): string {
    return [this.namespace, 'store', ...parts].join(':')
  }

  async close(): Promise<void> {
    this.client.removeAllListeners('close')
    for (const one of [...this.others, this.client]) one.disconnect()
    this.others.length = 0
  }
}

/** What a failed connection says of itself, on a line, without what it was given. */
function explain(error: Error): string {
  const { code, message, errors } = error as NodeJS.ErrnoException & { errors?: Error[] }
  if (code === 'ECONNREFUSED') return 'nothing listens there'
  if (/^(NOAUTH|WRONGPASS)|invalid username-password|called without any password/.test(message))
    return `it wants another password; give it in the environment, as ${PASSWORD}`
  if (message === '' && errors?.[0]) return explain(errors[0])
  return plainText(message.split('\n')[0], 200)
}
