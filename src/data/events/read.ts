/** Recordings from files (Node). */

import { readFileSync } from 'node:fs'
import { checkOptions, checkPath, describe, expect, SpikewasmError } from '../../errors.js'
import { type Interval, parseAedat3 } from '../../events/aedat3.js'
import { needsZstd } from '../../events/aedat4.js'
import { parseEventArchive } from '../../events/arrays.js'
import { type EventFormat, eventFormats, formatOf, parseRecording } from '../../events/parse.js'
import { checkSensor, type EventRecording, type Sensor } from '../../events/recording.js'
import { pathOfUrl, readFileClear } from '../../io/files.js'
import { unpackNpz } from './npz.js'
import { loadZstd } from './zstd.js'

/** What `events.read` takes. */
export interface ReadEventsOptions {
  /** What the file is; default: what its first bytes or its ending say. */
  readonly format?: EventFormat
  /**
   * [width, height] of the sensor in pixels; default: what the file says, else 34 × 34 for N-MNIST,
   * 128 × 128 for AEDAT 2 and 3, or as large as the events need.
   */
  readonly sensor?: Sensor
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
  from: string | URL,
  options: ReadEventsOptions = {},
): Promise<EventRecording> {
  const path = from instanceof URL ? pathOfUrl('events.read.path', from) : from
  checkPath('events.read.path', path)
  const checked = checkReading('events.read', options)
  const bytes = await readFileClear(path, 'recording')
  return parseFile(bytes, path, checked)
}

/** @throws SpikewasmError when an option is wrong */
export function checkReading(name: string, options: ReadEventsOptions): ReadEventsOptions {
  checkOptions(name, options, ['format', 'sensor'])
  const { format } = options
  expect(
    format === undefined || eventFormats.includes(format),
    () => `${name}.format must be one of ${eventFormats.join(', ')}, got ${describe(format)}`,
  )
  return { format, sensor: checkSensor(`${name}.sensor`, options.sensor) }
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
    throw new SpikewasmError(`recording must be a readable file, got "${path}": ${said}`, {
      cause: error,
    })
  }
}
