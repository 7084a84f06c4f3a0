/** Recordings from files (Node). */

import { readFileSync } from 'node:fs'
import { inflateRawSync } from 'node:zlib'
import { checkPath, fail } from '../../errors.js'
import { type Interval, parseAedat3 } from '../../events/aedat.js'
import { needsZstd } from '../../events/aedat4.js'
import { isEventArray, parseEventArchive } from '../../events/arrays.js'
import { isNpy } from '../../events/npy.js'
import { formatOf, parseRecording } from '../../events/parse.js'
import { type EventRecording, refuse, type Sensor } from '../../events/recording.js'
import { pathOfUrl, readFileClear } from '../../io/files.js'
import { npzEntries } from './npz-entries.js'
import { checkEvents, type EventDatasetOptions, FrameMaker } from './options.js'
import { bytesOf, checkReading, type ReadEventsOptions } from './read-options.js'
import { loadZstd } from './zstd.js'

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
