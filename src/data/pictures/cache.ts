/**
 * Converted samples on a disk: a file with a head, then a record for each sample, its checksum and
 * its bytes. A record is filled by whichever thread or process decodes its sample first; all of
 * them would write the same bytes, since the name and the head of the file hold a hash of all that
 * these follow from. Bytes are written before their checksum, so a reader sees none or all of them.
 */

import { createHash, randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { join, resolve } from 'node:path'
import { fail, SpikewasmError } from '../../base/errors.js'
import { warn } from '../../engine/platform.js'
import { makeFolder } from '../../files/files.js'

/** Version of the layout, and of how samples are converted: files of others are not read. */
const CACHE_VERSION = 1
const MAGIC = 'spikewasm cache\n'
const HEAD = 128
const SUM = 8
/** A record may be seen while another thread repairs it. */
const LOOKS = 4

/** What a cache is of. */
export interface CacheOf {
  readonly folder: string
  /** For people: the beginning of the file's name. */
  readonly title: string
  /** Hash of files and options, hexadecimal. */
  readonly key: string
  readonly samples: number
  /** Bytes of a sample. */
  readonly size: number
}

/** Hash of all that converted samples follow from. */
export function cacheKey(parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256').update(`${MAGIC}${CACHE_VERSION}\n`)
  for (const part of parts) hash.update(part).update('\n')
  return hash.digest('hex').slice(0, 40)
}

function headOf({ key, samples, size }: CacheOf): Uint8Array {
  const head = new Uint8Array(HEAD)
  const text = `${MAGIC}${CACHE_VERSION} ${key} ${samples} ${size}\n`
  head.set(new TextEncoder().encode(text))
  return head
}

/**
 * A check of a sample's bytes and its place; never 0, which stands for a sample that is not
 * there. One that lies in another's place is damaged too.
 */
function checksum(bytes: Uint8Array, index: number): [number, number] {
  let [a, b] = [0x811c9dc5 ^ Math.imul(index, 0x9e3779b1), 0x9747b28c ^ bytes.length]
  const words = bytes.length >> 2
  const whole =
    (bytes.byteOffset & 3) === 0
      ? new Int32Array(bytes.buffer, bytes.byteOffset, words)
      : new Int32Array(bytes.slice(0, 4 * words).buffer)
  for (let i = 0; i < words; i++) {
    a = Math.imul(a ^ whole[i], 0x01000193)
    b = Math.imul(b ^ whole[i], 0x85ebca6b)
    a ^= a >>> 15
    b ^= b >>> 13
  }
  for (let i = 4 * words; i < bytes.length; i++) {
    a = Math.imul(a ^ bytes[i], 0x01000193)
    b = Math.imul(b ^ bytes[i], 0x85ebca6b)
  }
  return [a | 1, b | 0]
}

export class SampleCache {
  private readonly record: Uint8Array
  private readonly sums: Int32Array
  private readonly bytes: Uint8Array
  /** Whether writing has failed: the samples are decoded from then on. */
  private full = false
  private told = false

  private constructor(
    private readonly file: number,
    private readonly path: string,
    of: CacheOf,
  ) {
    this.record = new Uint8Array(SUM + of.size)
    this.sums = new Int32Array(this.record.buffer, 0, 2)
    this.bytes = this.record.subarray(SUM)
    // Node closes no file by itself that a data set holds; nobody says when it is the last time.
    open.register(this, file, this)
  }

  /**
   * Opens the file, or makes it: another process may do so at the same time.
   * @throws SpikewasmError when the folder cannot be written
   */
  static open(of: CacheOf): SampleCache {
    const name = `${of.title.replace(/[^\w.-]+/g, '-')}-${of.key.slice(0, 16)}.cache`
    const path = join(of.folder, name)
    try {
      makeFolder(resolve(of.folder))
      return new SampleCache(find(path, of) ?? make(path, of), path, of)
    } catch (error) {
      if (error instanceof SpikewasmError) throw error
      fail(
        `cache must be a folder that can be written, got "${of.folder}": ` +
          `${(error as Error).message}; choose another folder, or leave it out`,
        error,
      )
    }
  }

  /** Closes the file; nothing may be asked for any more. */
  close(): void {
    open.unregister(this)
    fs.closeSync(this.file)
  }

  private at(index: number): number {
    return HEAD + index * this.record.length
  }

  /** The bytes of a sample, until the next call; undefined where they are not there or damaged. */
  read(index: number): Uint8Array | undefined {
    for (let look = 0; look < LOOKS; look++) {
      const { sums, bytes, record } = this
      if (fs.readSync(this.file, record, 0, record.length, this.at(index)) !== record.length) break
      if (sums[0] === 0 && sums[1] === 0) return undefined
      const [a, b] = checksum(bytes, index)
      if (a === sums[0] && b === sums[1]) return bytes
      Atomics.wait(pause, 0, 0, look)
    }
    this.tell(`${this.path}: sample ${index} is damaged there, and is decoded again`)
    return undefined
  }

  /** Keeps the bytes of a sample. Where that fails, the samples are decoded each time. */
  write(index: number, bytes: Uint8Array): void {
    if (this.full) return
    try {
      const place = this.at(index)
      writeAll(this.file, bytes, place + SUM)
      const [a, b] = checksum(bytes, index)
      writeAll(this.file, new Uint8Array(Int32Array.of(a, b).buffer), place)
    } catch (error) {
      this.full = true
      this.tell(
        `${this.path}: no more samples can be kept there (${(error as Error).message}); they are ` +
          'decoded each time',
      )
    }
  }

  /** Once: a disk that fails does so more than once. */
  private tell(message: string): void {
    if (!this.told) warn(message, 'SPIKEWASM_CACHE')
    this.told = true
  }
}

const pause = new Int32Array(new SharedArrayBuffer(4))
const open = new FinalizationRegistry<number>((file) => fs.closeSync(file))

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; )
    done += fs.writeSync(file, bytes, done, bytes.length - done, position + done)
}

/** The file of such a cache; undefined where there is none, or another's or a damaged one. */
function find(path: string, of: CacheOf): number | undefined {
  let file: number
  try {
    file = fs.openSync(path, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const head = new Uint8Array(HEAD)
  const expected = headOf(of)
  const length = fs.readSync(file, head, 0, HEAD, 0)
  if (length === HEAD && head.every((byte, i) => byte === expected[i])) return file
  fs.closeSync(file)
  warn(
    `${path}: is no cache of these samples, or a damaged one; it is made anew`,
    'SPIKEWASM_CACHE',
  )
  fs.rmSync(path, { force: true })
  return undefined
}

/** A new file without samples: under another name first, so that nobody sees half of it. */
function make(path: string, of: CacheOf): number {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  let file = fs.openSync(temporary, 'wx+')
  try {
    writeAll(file, headOf(of), 0)
    // Empty records take no room on most disks.
    fs.ftruncateSync(file, HEAD + of.samples * (SUM + of.size))
    fs.fsyncSync(file)
    try {
      fs.linkSync(temporary, path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Another process was faster.
      const other = code === 'EEXIST' ? find(path, of) : undefined
      if (other === undefined) fs.renameSync(temporary, path)
      else {
        fs.closeSync(file)
        file = other
      }
    }
    return file
  } catch (error) {
    fs.closeSync(file)
    throw error
  } finally {
    fs.rmSync(temporary, { force: true })
  }
}
