/** Recordings from files (Node). */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { inflateRawSync } from 'node:zlib'
import { checkPath, fail, SpikewasmError } from '../../base/errors.js'
import { pathOfUrl, readFileClear } from '../../files/files.js'
import { type Interval, parseAedat3 } from '../recordings/aedat.js'
import { needsZstd, type Unpack } from '../recordings/aedat4.js'
import { isEventArray, isNpy, parseEventArchive } from '../recordings/arrays.js'
import { formatOf, parseRecording } from '../recordings/parse.js'
import { type EventRecording, refuse, type Sensor } from '../recordings/recording.js'
import { npzEntries } from './npz-entries.js'
import {
  bytesOf,
  checkEvents,
  checkReading,
  type EventDatasetOptions,
  FrameMaker,
  type ReadEventsOptions,
} from './options.js'

// Zstandard, by an optional package, with bounds on what it may allocate.

const zstdPackage = 'fzstd'
const MAGIC = 0xfd2fb528
/** What every decoder must be able to keep (RFC 8878, 3.1.1.1.2). */
const MOST_WINDOW = 1 << 23

/** The decoder; undefined where the package is not installed. */
export function loadZstd(): Unpack | undefined {
  let fzstd: typeof import('fzstd')
  try {
    fzstd = createRequire(import.meta.url)(zstdPackage)
  } catch {
    return undefined
  }
  return (bytes, most, name) => {
    expectFrames(bytes, most, name)
    const chunks: Uint8Array[] = []
    let length = 0
    const stream = new fzstd.Decompress((chunk) => {
      length += chunk.length
      if (length > most) refuse(name, `unpack to at most ${most} bytes`, 'more')
      chunks.push(chunk.slice())
    })
    try {
      stream.push(bytes, true)
    } catch (error) {
      if (error instanceof SpikewasmError) throw error
      return refuse(name, 'hold valid Zstandard data', `an error: ${(error as Error).message}`)
    }
    return new Uint8Array(Buffer.concat(chunks))
  }
}

/** Walks over frames and blocks (RFC 8878, 3.1.1): the decoder allocates what headers claim. */
function expectFrames(bytes: Uint8Array, most: number, name: string): void {
  const damaged = (why: string): never =>
    refuse(name, 'hold valid Zstandard data', `an error: ${why}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const need = (end: number): void => {
    if (end > bytes.length) damaged('it is cut off')
  }
  if (bytes.length === 0) damaged('it is empty')
  for (let at = 0; at < bytes.length; ) {
    need(at + 8)
    if (view.getUint32(at, true) >>> 4 === 0x184d2a5) {
      at += 8 + view.getUint32(at + 4, true)
      need(at)
      continue
    }
    if (view.getUint32(at, true) !== MAGIC) damaged('no frame begins there')
    const flags = bytes[at + 4]
    const [single, sizeFlag, dictionary] = [(flags >> 5) & 1, flags >> 6, flags & 3]
    if (dictionary !== 0) damaged('it needs a dictionary')
    const sizeBytes = sizeFlag > 0 ? 1 << sizeFlag : single
    const content = at + 6 - single
    need(content + sizeBytes + 3)
    let size = 0
    for (let i = sizeBytes - 1; i >= 0; i--) size = size * 256 + bytes[content + i]
    const base = 2 ** (10 + (bytes[at + 5] >> 3))
    const window = single ? size : base + (base / 8) * (bytes[at + 5] & 7)
    if (size + 256 > most) refuse(name, `unpack to at most ${most} bytes`, `${size}`)
    if (!single && window > MOST_WINDOW)
      refuse(name, `have a window of at most ${MOST_WINDOW} bytes`, `${window}`)
    at = content + sizeBytes
    for (let last = false; !last; ) {
      need(at + 3)
      const head = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16)
      last = (head & 1) === 1
      const type = (head >> 1) & 3
      if (type === 3) damaged('a block of no known type')
      at += 3 + (type === 1 ? 1 : head >> 3)
      need(at)
    }
    at += 4 * ((flags >> 2) & 1)
    need(at)
  }
}

// One recording as a sample, as a data set of recordings has it (Node).

/**
 * Whether a file is a recording, for a network of recordings: `.npy` may hold events, or frames
 * that are cut already.
 */
export const isRecording = (bytes: Uint8Array, path: string): boolean =>
  isNpy(bytes) ? isEventArray(bytes) : /\.(aedat4?|bs2|npz|bin)$/i.test(path)

/**
 * Reads a recording and cuts it into frames.
 *
 * @param title what error messages call the options
 * @param sensor of the recording; default: what the file says
 * @returns [T][2][H][W], and [2, H, W]
 * @throws SpikewasmError when the file is missing, damaged or no recording, or an option is wrong
 */
export async function readEventSample(
  path: string,
  options: EventDatasetOptions,
  { title, sensor }: { readonly title: string; readonly sensor?: Sensor },
): Promise<{ readonly data: Float32Array; readonly shape: readonly [number, number, number] }> {
  const checked = checkEvents(title, options)
  const bytes = await readFileClear(path, 'recording')
  const recording = parseFile(bytes, path, { sensor: checked.sensor ?? sensor })
  const maker = new FrameMaker(checked, [recording.width, recording.height])
  const frames = new Float32Array(maker.floats)
  maker.make(() => recording, frames, 0, undefined, undefined)
  return { data: frames, shape: maker.shape }
}

// Unpacks arrays of an .npz archive at once (Node).

/**
 * The content of `wanted` arrays by their keys; others are left packed.
 *
 * @throws SpikewasmError when the archive is damaged or unpacks to far more than its size
 */
export function unpackNpz(
  bytes: Uint8Array,
  name: string,
  wanted: readonly string[],
): Map<string, Uint8Array> {
  const entries = npzEntries(bytes, name, wanted)
  return new Map(
    entries.map(({ key, data, size, isPacked }) => [
      key,
      isPacked ? inflated(data, size, `${name}: ${key}`) : data,
    ]),
  )
}

function inflated(data: Uint8Array, size: number, name: string): Uint8Array {
  try {
    const { buffer, byteOffset, length } = inflateRawSync(data, { maxOutputLength: size + 1 })
    return new Uint8Array(buffer, byteOffset, length)
  } catch (error) {
    return refuse(name, 'hold valid deflated data', `an error: ${(error as Error).message}`)
  }
}

/**
 * Reads a recording: N-MNIST (`.bin`, `.bs2`), AEDAT 2 of a DVS128 (CIFAR10-DVS), AEDAT 3.1 (DVS128
 * Gesture), AEDAT 4, `.npy` and `.npz` arrays of x, y, t and p.
 *
 * ```ts
 * const recording = await events.read('Train/3/00007.bin')
 * ```
 *
 * @throws SpikewasmError that names the file when it is missing, damaged, cut off or of another
 *   format, and when the decoder of Zstandard is needed and not installed
 */
export async function readEvents(
  from: string | URL | Uint8Array | Blob,
  options: ReadEventsOptions = {},
): Promise<EventRecording> {
  const checked = checkReading('events.read', options)
  if (from instanceof Uint8Array || from instanceof Blob) {
    const { name, bytes } = await bytesOf(from)
    return parseFile(bytes, name, checked)
  }
  const path = from instanceof URL ? pathOfUrl('events.read.path', from) : from
  checkPath('events.read.path', path)
  return parseFile(await readFileClear(path, 'recording'), path, checked)
}

/**
 * A recording from the bytes of its file.
 * @param interval of the events that are wanted, of AEDAT 3 alone
 */
export function parseFile(
  bytes: Uint8Array,
  path: string,
  { format = formatOf(bytes, path), sensor }: ReadEventsOptions,
  interval?: Interval,
): EventRecording {
  if (format === 'aedat3') return parseAedat3(bytes, path, sensor, interval)
  const zstd = format === 'aedat4' && needsZstd(bytes, path) ? loadZstd() : undefined
  if (format !== 'npz') return parseRecording(bytes, path, format, sensor, zstd)
  const keys = ['t', 'x', 'y', 'p']
  return parseEventArchive(unpackNpz(bytes, path, keys), path, sensor)
}

/** @throws SpikewasmError that names the file */
export function readBytesSync(path: string): Uint8Array {
  try {
    const { buffer, byteOffset, byteLength } = readFileSync(path)
    return new Uint8Array(buffer, byteOffset, byteLength)
  } catch (error) {
    const why = (error as NodeJS.ErrnoException).code
    const said = why === 'ENOENT' ? 'there is no such file' : (error as Error).message
    fail(`recording must be a readable file, got "${path}": ${said}`, error)
  }
}
