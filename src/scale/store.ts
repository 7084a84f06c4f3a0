/**
 * Bytes that jobs hand over, beside the queue: checkpoints, weights, changes of weights. They lie
 * in Redis and expire, or in a folder that all workers see.
 */

import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, fail, quote, SpikewasmError } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import { writeFileAtomic } from '../files/files.js'
import { MOST_VALUE, type RedisPlace } from './redis.js'

/** Seconds that bytes are kept unless somebody says otherwise: a week. */
export const KEPT_SECONDS = 7 * 24 * 3600

/** What bytes may take that anybody may have written. */
export interface BytesLimit {
  readonly bytes: number
  /** What the limit is, for people. */
  readonly of: string
}

/** Bytes that are not what their head says: nobody can go on from them. */
export class DamagedBytes extends SpikewasmError {}

/** @throws SpikewasmError for more */
function checkFits(name: string, bytes: number, limit: BytesLimit): void {
  if (bytes > limit.bytes)
    fail(`${name} must have at most ${Math.floor(limit.bytes)} bytes, ${limit.of}, got ${bytes}`)
}

export interface BlobStore {
  readonly where: 'redis' | 'folder'
  /** Writes bytes under a name; who reads it finds the old or the new ones, whole. */
  put(name: string, bytes: Uint8Array, seconds?: number): Promise<void>
  /**
   * Asks how many there are before it reads any. Their buffer holds nothing else.
   *
   * @returns undefined: there are none, or no longer
   * @throws SpikewasmError for more than may be, DamagedBytes for others than were announced
   */
  get(name: string, limit: BytesLimit): Promise<Uint8Array | undefined>
  remove(name: string): Promise<void>
}

/** @throws SpikewasmError for a name that would be a path, or a part of another name */
function checked(name: string): string {
  if (/^[A-Za-z0-9][\w.-]{0,199}$/.test(name)) return name
  fail(`a name of stored bytes must be letters, digits, dots, dashes, got ${quote(name)}`)
}

/** Redis takes 512 MiB; less at once leaves room for others. */
const CHUNK = 64 * 2 ** 20
/** How often a reader begins anew because a writer was faster. */
const TRIES = 5

interface Head {
  readonly nonce: string
  readonly bytes: number
  readonly chunks: number
  readonly sha256: string
}

/** Characters of a head. */
const MOST_HEAD = 1000

/** Whether Redis holds no text there. */
const isOtherType = (error: unknown): boolean => /^WRONGTYPE/.test((error as Error).message)

const damaged = (name: string, { bytes }: Head, got: string): DamagedBytes =>
  new DamagedBytes(
    `${name} must have the ${bytes} bytes that its head in Redis says, got ${got}; something ` +
      'else writes there, or Redis has lost a part',
  )

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const viewOf = (bytes: Uint8Array, from = 0, to = bytes.length): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)

/** Binary values of Redis that expire; more than `chunk` bytes are several values. */
export function redisStore(place: RedisPlace, chunk = CHUNK): BlobStore {
  const { client } = place
  const headKey = (name: string): string => place.key('head', checked(name))
  const headOf = async (name: string): Promise<Head | undefined> => {
    // More of it would not be a head.
    const text = client.getrange(headKey(name), 0, MOST_HEAD)
    return parseHead(await text.catch((error) => (isOtherType(error) ? '' : Promise.reject(error))))
  }
  const dropChunks = async (name: string, head: Head | undefined): Promise<void> => {
    const keys = head ? chunkKeys(place, name, head) : []
    if (keys.length > 0) await client.unlink(...keys)
  }
  return {
    where: 'redis',
    async put(name, bytes, seconds = KEPT_SECONDS) {
      const before = await headOf(name)
      const chunks = Math.max(1, Math.ceil(bytes.length / chunk))
      const nonce = randomBytes(8).toString('hex')
      const head: Head = { nonce, bytes: bytes.length, chunks, sha256: sha256Of(bytes) }
      for (const [i, key] of chunkKeys(place, name, head).entries()) {
        const part = viewOf(bytes, i * chunk, Math.min(bytes.length, (i + 1) * chunk))
        // They outlive their head.
        await client.set(key, part, 'EX', seconds + 60)
      }
      await client.set(headKey(name), JSON.stringify(head), 'EX', seconds)
      await dropChunks(name, before)
    },
    async get(name, limit) {
      for (let tries = 0; tries < TRIES; tries++) {
        const head = await headOf(name)
        if (!head) return undefined
        const whole = await bytesOf(place, name, head, limit)
        if (whole && sha256Of(whole) === head.sha256) return whole
      }
      return undefined
    },
    async remove(name) {
      const head = await headOf(name)
      await client.unlink(headKey(name))
      await dropChunks(name, head)
    },
  }
}

const chunkKeys = (place: RedisPlace, name: string, { nonce, chunks }: Head): string[] =>
  Array.from({ length: chunks }, (_, i) => place.key('bytes', name, nonce, String(i)))

/** @returns undefined for what is none of ours: as if there were none */
function parseHead(text: string): Head | undefined {
  try {
    const { nonce, bytes, chunks, sha256 } = JSON.parse(text) as Head
    const counts = [bytes, chunks].every((n) => Number.isSafeInteger(n) && n >= 0)
    if (counts && chunks <= 4096 && /^[0-9a-f]{16}$/.test(nonce) && typeof sha256 === 'string')
      return { nonce, bytes, chunks, sha256 }
  } catch {
    // Not even JSON.
  }
  return undefined
}

/** @returns undefined while a writer replaces them */
async function bytesOf(
  place: RedisPlace,
  name: string,
  head: Head,
  limit: BytesLimit,
): Promise<Uint8Array | undefined> {
  const { client } = place
  checkFits(name, head.bytes, limit)
  const keys = chunkKeys(place, name, head)
  const sizes = await Promise.all(keys.map((key) => client.strlen(key))).catch((error) => {
    throw isOtherType(error) ? damaged(name, head, 'something else') : error
  })
  if (head.bytes > 0 && sizes.includes(0)) return undefined
  const total = sizes.reduce((sum, size) => sum + size, 0)
  if (total !== head.bytes) throw damaged(name, head, String(total))
  const whole = new Uint8Array(total)
  let at = 0
  for (const [i, key] of keys.entries())
    for (let from = 0; from < sizes[i]; from += MOST_VALUE) {
      const end = Math.min(sizes[i], from + MOST_VALUE)
      const part = await client.getrangeBuffer(key, from, end - 1)
      if (part.length !== end - from) return undefined
      whole.set(part, at)
      at += part.length
    }
  return whole
}

const ENDING = '.spikewasm-bytes'
/** Bytes of a file's hash, which stands before the others. */
const HASH = 32

/** @returns whether a file has as many bytes behind a place */
async function fill(file: FileHandle, into: Uint8Array, from: number): Promise<boolean> {
  for (let at = 0; at < into.length; ) {
    const { bytesRead } = await file.read(into, at, into.length - at, from + at)
    if (bytesRead === 0) return false
    at += bytesRead
  }
  return true
}

/** Files of a folder that all workers see. What nobody has written for a week is removed. */
export async function folderStore(folder: string): Promise<BlobStore> {
  const pathOf = (name: string): string => join(folder, `${checked(name)}${ENDING}`)
  const names = await readdir(folder).catch((error: Error) => {
    fail(`--shared must be a folder that all workers see, got ${quote(folder)}: ${error.message}`)
  })
  for (const name of names.filter((each) => each.endsWith(ENDING))) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found && Date.now() - found.mtimeMs > KEPT_SECONDS * 1000)
      await rm(join(folder, name), { force: true })
  }
  return {
    where: 'folder',
    async put(name, bytes) {
      const head = Buffer.from(sha256Of(bytes), 'hex')
      await writeFileAtomic(pathOf(name), Buffer.concat([head, viewOf(bytes)]))
    },
    async get(name, limit) {
      const file = await open(pathOf(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      if (!file) return undefined
      try {
        // The file itself is asked: another may have its name by now.
        const { size } = await file.stat()
        checkFits(name, size - HASH, limit)
        const hash = Buffer.alloc(HASH)
        const bytes = new Uint8Array(Math.max(0, size - HASH))
        const isWhole = (await fill(file, hash, 0)) && (await fill(file, bytes, HASH))
        return isWhole && sha256Of(bytes) === hash.toString('hex') ? bytes : undefined
      } finally {
        await file.close()
      }
    },
    remove: (name) => rm(pathOf(name), { force: true }),
  }
}

// Versions of spikewasm at one Redis. Another version may compute other bits, so each has queues of
// its own: no worker ever takes a job of another version, and who waits in vain is told.

/** The queue of a kind of jobs. */
export const queueOf = (kind: string, version: string = VERSION): string => `${kind}@${version}`

/** Whoever can write to Redis can write a version. */
const isVersion = (text: string): boolean => /^\d[\w.+-]{0,39}$/.test(text)

const key = (place: RedisPlace, kind: string): string => `${place.namespace}:versions:${kind}`

/** Says that this version has jobs or workers here. */
export async function noteVersion(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<void> {
  await place.client
    .multi()
    .sadd(key(place, kind), version)
    .expire(key(place, kind), KEPT_SECONDS)
    .exec()
}

/** All others that have been here within a week. */
export async function otherVersions(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<string[]> {
  const found = await place.client.smembers(key(place, kind))
  return found.filter((other) => other !== version && isVersion(other)).sort()
}

/** Versions that have workers now. */
async function versionsWithWorkers(place: RedisPlace, kind: string): Promise<string[]> {
  const found: string[] = []
  for (const version of await otherVersions(place, kind)) {
    const own = { connection: place.client, skipMetasUpdate: true }
    const queue = place.queue(queueOf(kind, version), own)
    try {
      if ((await queue.getWorkers()).length > 0) found.push(version)
    } finally {
      // The connection is not its own, and stays.
      await queue.close()
    }
  }
  return found
}

/** How many jobs of a version wait or are being done. */
async function jobsOf(place: RedisPlace, kind: string, version: string): Promise<number> {
  const of = `${place.namespace}:${queueOf(kind, version)}`
  const counts = await place.client
    .pipeline()
    .llen(`${of}:wait`)
    .llen(`${of}:active`)
    .zcard(`${of}:delayed`)
    .zcard(`${of}:prioritized`)
    .exec()
  return (counts ?? []).reduce((sum, [, count]) => sum + (typeof count === 'number' ? count : 0), 0)
}

const BITS = 'another version may compute other bits'
const install = (version: string): string => `npm install spikewasm@${version}`

/** For who waits for jobs of a kind: who is there and does not take them; '' for nobody. */
export async function whoStandsAside(place: RedisPlace, kind: string): Promise<string> {
  const others = await versionsWithWorkers(place, kind)
  if (others.length === 0) return ''
  return (
    `workers of spikewasm ${others.join(', ')} are there, which leave these jobs alone: they are ` +
    `of spikewasm ${VERSION}, and ${BITS}; install the same on all machines: ${install(VERSION)}`
  )
}

/** For a worker: what it leaves alone, a line for each version that has jobs. */
export async function jobsLeftAlone(
  place: RedisPlace,
  kind: string,
  version: string = VERSION,
): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>()
  for (const other of await otherVersions(place, kind, version)) {
    if ((await jobsOf(place, kind, other)) === 0) continue
    lines.set(
      other,
      `jobs of ${kind} at ${place.address.url} are of spikewasm ${other}; this worker is of ` +
        `spikewasm ${version} and leaves them to others, because ${BITS}; to do them, end it and ` +
        `install the same: ${install(other)}`,
    )
  }
  return lines
}

// Networks of one's own: a job names one by the SHA-256 of its file; workers say which they have.

const modelKey = (place: RedisPlace, sha256: string): string => place.key('model', sha256)

/** Says for so many seconds that a worker has these. */
export async function noteModels(
  place: RedisPlace,
  hashes: Iterable<string>,
  seconds: number,
): Promise<void> {
  const all = place.client.pipeline()
  for (const sha256 of hashes) all.set(modelKey(place, sha256), '1', 'EX', seconds)
  await all.exec()
}

/** A network of one's own as a job names it: by the hash of its file, and never by a path. */
export interface OwnNetwork {
  readonly name: string
  readonly sha256: string
}

/** For who waits for jobs: the networks of them that no worker has; '' where there are none. */
export async function whatIsLacking(
  place: RedisPlace,
  networks: readonly OwnNetwork[],
): Promise<string> {
  const missing: string[] = []
  for (const { name, sha256 } of new Map(networks.map((each) => [each.sha256, each])).values())
    if ((await place.client.exists(modelKey(place, sha256))) === 0)
      missing.push(`${name} (SHA-256 ${sha256})`)
  if (missing.length === 0) return ''
  return (
    `no worker has the network ${missing.join(', ')}; put the file into a folder, and start one ` +
    'with --models FOLDER'
  )
}

// What a job says, and how it is checked. Whoever can write to Redis can write a job, so nothing of
// it is believed: only known keys, names and numbers come through, and never a path or code.

/** Changes with the meaning of what jobs hold. */
export const PROTOCOL = 1

/** Plain data. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }

/** What a job's data may take, as JSON. */
export const limits = { length: 65_536, depth: 8, values: 4000 }

/** What is in a queue, with the version of who made the job: another one may compute other bits. */
export const envelopeOf = (kind: string, payload: Json) => ({
  protocol: PROTOCOL,
  version: VERSION,
  kind,
  payload,
})

export type JobEnvelope = ReturnType<typeof envelopeOf>

/** @throws SpikewasmError for what is no job of this kind, version and protocol */
export function readEnvelope(data: unknown, kind: string): Json {
  checkPlain(data, 'the job')
  const keys = ['protocol', 'version', 'kind', 'payload']
  const { protocol, version, kind: found, payload } = objectOf(data, 'the job', keys)
  if (protocol !== PROTOCOL || version !== VERSION)
    fail(
      `the job must be made by spikewasm ${VERSION} (protocol ${PROTOCOL}), as this worker is, ` +
        `got one of version ${describe(version)} (protocol ${describe(protocol)}); install the ` +
        'same version on both sides',
    )
  if (found !== kind) fail(`the job must be of the kind ${kind}, got ${describe(found)}`)
  return payload as Json
}

/**
 * An object with these keys and no other; each may be missing.
 * @throws SpikewasmError for anything else
 */
export function objectOf(
  value: unknown,
  name: string,
  keys: readonly string[],
): Readonly<Record<string, Json | undefined>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(`${name} must be an object, got ${describe(value)}`)
  for (const key of Object.keys(value))
    if (!keys.includes(key))
      fail(`${name}.${quote(key).slice(1, -1)} is unknown; known are ${keys.join(', ')}`)
  return value as Record<string, Json>
}

/**
 * Plain data within the limits: lists and objects of finite numbers, texts, true, false and null.
 * @throws SpikewasmError for anything else
 */
export function checkPlain(data: unknown, name: string): asserts data is Json {
  let [length, values] = [0, 0]
  const waiting: { readonly value: unknown; readonly depth: number }[] = [{ value: data, depth: 0 }]
  const refuse = (what: string): never => fail(`${name} must be plain data, got ${what}`)
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const { value, depth } = next
    if (++values > limits.values) refuse(`more than ${limits.values} values`)
    if (depth > limits.depth) refuse(`values nested more than ${limits.depth} deep`)
    if (typeof value === 'string') length += value.length
    else if (typeof value === 'number') {
      length += 8
      if (!Number.isFinite(value)) refuse(String(value))
    } else if (Array.isArray(value)) {
      if (value.length > limits.values) refuse(`a list of ${value.length}`)
      for (const item of value) waiting.push({ value: item, depth: depth + 1 })
    } else if (typeof value === 'object' && value !== null) {
      const proto = Object.getPrototypeOf(value)
      if (proto !== Object.prototype && proto !== null) refuse(describe(value))
      for (const key of Object.keys(value)) {
        length += key.length
        if (key === '__proto__') refuse('a key __proto__')
        waiting.push({ value: (value as Record<string, unknown>)[key], depth: depth + 1 })
      }
    } else if (value !== null && typeof value !== 'boolean') refuse(describe(value))
    if (length > limits.length) refuse(`more than ${limits.length} characters`)
  }
}

/** JSON with sorted keys, without what is undefined: equal values are equal texts. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const entries = Object.entries(value)
    .filter(([, item]) => item !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${entries.map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(',')}}`
}

/** A name that says what a value is: equal values have equal ones. 24 hexadecimal digits. */
export const hashId = (value: unknown): string =>
  createHash('sha256').update(canonical(value)).digest('hex').slice(0, 24)
