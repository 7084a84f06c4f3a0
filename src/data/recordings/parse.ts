/** Any recording from its bytes. */

import { parseAedat2, parseAedat3 } from './aedat.js'
import { parseAedat4, type Unpack } from './aedat4.js'
import { isNpy, parseEventNpy } from './arrays.js'
import { type EventRecording, Events, refuse, type Sensor } from './recording.js'

// N-MNIST's `.bin` and SLAYER's `.bs2`, and N-Caltech101: five bytes an event.
// ```
// x | y | p (1 bit) t (23 bits, µs, big-endian)
// ```
// Source: https://www.garrickorchard.com/datasets/n-mnist; Tonic's `read_mnist_file`

const BYTES = 5
/** A row that no pixel has: not an event, the clock has gone round. */
const OVERFLOW_ROW = 240
const OVERFLOW = 2 ** 13

/**
 * As Tonic reads them: an event with y = 240 is none; it adds 2¹³ µs to the times behind it.
 *
 * @param name what error messages call the file
 * @throws SpikewasmError when bytes are left over, or an event is outside of the sensor
 */
function parseNmnist(bytes: Uint8Array, name: string, sensor?: Sensor): EventRecording {
  if (bytes.length % BYTES !== 0)
    refuse(name, `have ${BYTES} bytes for each event`, `${bytes.length} bytes; is it truncated?`)
  const events = new Events(bytes.length / BYTES)
  let late = 0
  for (let at = 0; at < bytes.length; at += BYTES) {
    const [x, y, high] = [bytes[at], bytes[at + 1], bytes[at + 2]]
    if (y === OVERFLOW_ROW) {
      late += OVERFLOW
      continue
    }
    const t = ((high & 127) << 16) | (bytes[at + 3] << 8) | bytes[at + 4]
    events.add(x, y, t + late, high >> 7)
  }
  return events.done(name, sensor, [34, 34])
}

/** What can be read, by name. */
export const eventFormats = ['nmnist', 'aedat2', 'aedat3', 'aedat4', 'npy', 'npz'] as const

/** A format of event files. */
export type EventFormat = 'nmnist' | 'aedat2' | 'aedat3' | 'aedat4' | 'npy' | 'npz'

/** Endings of files of events, and what they hold. AEDAT files say their version themselves. */
export const eventEndings: Readonly<Record<string, EventFormat>> = {
  bin: 'nmnist',
  bs2: 'nmnist',
  aedat: 'aedat2',
  aedat4: 'aedat4',
  npy: 'npy',
  npz: 'npz',
}

/**
 * The format that the first bytes tell of, or else the file's ending.
 *
 * @throws SpikewasmError for other files
 */
export function formatOf(bytes: Uint8Array, name: string): EventFormat {
  const begin = String.fromCharCode(...bytes.subarray(0, 10))
  const version = /^#!AER-DAT([234])/.exec(begin)?.[1]
  if (version !== undefined) return `aedat${version}` as EventFormat
  if (isNpy(bytes)) return 'npy'
  const format = eventEndings[/\.([a-z0-9]{1,10})$/i.exec(name)?.[1].toLowerCase() ?? '']
  if (format === undefined || format === 'npy' || format === 'aedat4')
    return refuse(
      name,
      'be a recording: AEDAT 2, 3.1 or 4, N-MNIST (.bin, .bs2), .npy or .npz',
      'other bytes; name it with format',
    )
  return format
}

type Parse = (bytes: Uint8Array, name: string, sensor?: Sensor, zstd?: Unpack) => EventRecording

const parsers: Readonly<Record<Exclude<EventFormat, 'npz'>, Parse>> = {
  nmnist: parseNmnist,
  aedat2: parseAedat2,
  aedat3: (bytes, name, sensor) => parseAedat3(bytes, name, sensor),
  aedat4: parseAedat4,
  npy: (bytes, name, sensor) => parseEventNpy(bytes, name, sensor),
}

/**
 * A recording from the bytes of a file; of an archive (.npz) see `parseEventArchive`.
 *
 * @param name what error messages call the file
 * @param zstd unpacks Zstandard, for AEDAT 4
 * @throws SpikewasmError when it is damaged, cut off or of another format
 */
export function parseRecording(
  bytes: Uint8Array,
  name: string,
  format: EventFormat,
  sensor?: Sensor,
  zstd?: Unpack,
): EventRecording {
  if (format === 'npz') return refuse(name, 'be unpacked first', 'an archive')
  const parse: Parse | undefined = parsers[format]
  return parse ? parse(bytes, name, sensor, zstd) : refuse(name, 'be a recording', 'another file')
}
