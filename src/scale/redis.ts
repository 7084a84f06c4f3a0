/**
 * Redis, where jobs and their bytes are: its address and password, and connections that mend
 * themselves. The one file that loads the packages `bullmq` and `ioredis`.
 */

import type { Queue, QueueEvents, QueueOptions } from 'bullmq'
import type { Redis, RedisOptions } from 'ioredis'
import { fail, plainText, quote } from '../base/errors.js'
import { boundedConnector } from './replies.js'

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
  let parsed: URL | undefined
  try {
    parsed = new URL(text)
  } catch {
    parsed = undefined
  }
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
    const queue = new bull.Queue(name, {
      connection: more.connection ?? this.connect(),
      prefix,
      ...more,
    })
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
