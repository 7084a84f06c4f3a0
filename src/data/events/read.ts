/** Recordings from files (Node). */

import { readFileSync } from 'node:fs'
import { checkPath, fail } from '../../errors.js'
import { type Interval, parseAedat3 } from '../../events/aedat3.js'
import { needsZstd } from '../../events/aedat4.js'
import { parseEventArchive } from '../../events/arrays.js'
import { formatOf, parseRecording } from '../../events/parse.js'
import type { EventRecording } from '../../events/recording.js'
import { pathOfUrl, readFileClear } from '../../io/files.js'
import { unpackNpz } from './npz.js'
import { bytesOf, checkReading, type ReadEventsOptions } from './read-options.js'
import { loadZstd } from './zstd.js'

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
