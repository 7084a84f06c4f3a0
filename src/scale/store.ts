/**
 * Bytes that jobs hand over, beside the queue: checkpoints, weights, changes of weights. They lie
 * in Redis and expire, or in a folder that all workers see.
 */

import { createHash, randomBytes } from 'node:crypto'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, quote, SpikewasmError } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'
import type { RedisPlace } from './redis.js'

/** Seconds that bytes are kept unless somebody says otherwise: a week. */
export const KEPT_SECONDS = 7 * 24 * 3600

export interface BlobStore {
  readonly where: 'redis' | 'folder'
  /** Writes bytes under a name; who reads it finds the old or the new ones, whole. */
  put(name: string, bytes: Uint8Array, seconds?: number): Promise<void>
  /** undefined: there are none, or no longer. */
  get(name: string): Promise<Uint8Array | undefined>
  remove(name: string): Promise<void>
}

/** @throws SpikewasmError for a name that would be a path, or a part of another name */
function checkName(name: string): void {
  expect(
    /^[A-Za-z0-9][\w.-]{0,199}$/.test(name),
    () => `a name of stored bytes must be letters, digits, dots, dashes, got ${quote(name)}`,
  )
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

const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

const viewOf = (bytes: Uint8Array, from = 0, to = bytes.length): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from)

/** Binary values of Redis that expire; more than `chunk` bytes are several values. */
export function redisStore(place: RedisPlace, chunk = CHUNK): BlobStore {
  const { client } = place
  const headKey = (name: string): string => place.key('head', name)
  const chunkKey = (name: string, { nonce }: Pick<Head, 'nonce'>, i: number): string =>
    place.key('bytes', name, nonce, String(i))

  const headOf = async (name: string): Promise<Head | undefined> => {
    const text = await client.get(headKey(name))
    if (text === null) return undefined
    try {
      const { nonce, bytes, chunks, sha256 } = JSON.parse(text) as Head
      const counts = [bytes, chunks].every((n) => Number.isSafeInteger(n) && n >= 0)
      if (counts && chunks <= 4096 && /^[0-9a-f]{16}$/.test(nonce) && typeof sha256 === 'string')
        return { nonce, bytes, chunks, sha256 }
    } catch {
      // Not of ours: as if there were none.
    }
    return undefined
  }
  const dropChunks = async (name: string, head: Head | undefined): Promise<void> => {
    const keys = Array.from({ length: head?.chunks ?? 0 }, (_, i) => chunkKey(name, head!, i))
    if (keys.length > 0) await client.unlink(...keys)
  }
  return {
    where: 'redis',
    async put(name, bytes, seconds = KEPT_SECONDS) {
      checkName(name)
      const before = await headOf(name)
      const chunks = Math.max(1, Math.ceil(bytes.length / chunk))
      const nonce = randomBytes(8).toString('hex')
      const head: Head = { nonce, bytes: bytes.length, chunks, sha256: sha256Of(bytes) }
      for (let i = 0; i < chunks; i++) {
        const part = viewOf(bytes, i * chunk, Math.min(bytes.length, (i + 1) * chunk))
        // They outlive their head.
        await client.set(chunkKey(name, head, i), part, 'EX', seconds + 60)
      }
      await client.set(headKey(name), JSON.stringify(head), 'EX', seconds)
      await dropChunks(name, before)
    },
    async get(name) {
      checkName(name)
      for (let tries = 0; tries < TRIES; tries++) {
        const head = await headOf(name)
        if (!head) return undefined
        const parts: Buffer[] = []
        for (let i = 0; i < head.chunks; i++) {
          const part = await client.getBuffer(chunkKey(name, head, i))
          if (part === null) break
          parts.push(part)
        }
        const whole = parts.length === 1 ? parts[0] : Buffer.concat(parts)
        if (parts.length === head.chunks && sha256Of(whole) === head.sha256)
          return new Uint8Array(whole.buffer, whole.byteOffset, whole.byteLength)
      }
      return undefined
    },
    async remove(name) {
      checkName(name)
      const head = await headOf(name)
      await client.unlink(headKey(name))
      await dropChunks(name, head)
    },
  }
}

const ENDING = '.spikewasm-bytes'

/** Files of a folder that all workers see. What nobody has written for a week is removed. */
export async function folderStore(folder: string): Promise<BlobStore> {
  const pathOf = (name: string): string => {
    checkName(name)
    return join(folder, `${name}${ENDING}`)
  }
  const names = await readdir(folder).catch((error: Error) => {
    throw new SpikewasmError(
      `--shared must be a folder that all workers see, got ${quote(folder)}: ${error.message}`,
    )
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
    async get(name) {
      const all = await readFile(pathOf(name)).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined
        throw error
      })
      if (!all || all.length < 32) return undefined
      const bytes = new Uint8Array(all.buffer, all.byteOffset + 32, all.length - 32)
      return sha256Of(bytes) === all.subarray(0, 32).toString('hex') ? bytes : undefined
    },
    remove: (name) => rm(pathOf(name), { force: true }),
  }
}
