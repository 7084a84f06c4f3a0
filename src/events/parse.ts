/** Any recording from its bytes. */

import { parseAedat2 } from './aedat2.js'
import { parseAedat3 } from './aedat3.js'
import { parseAedat4, type Unpack } from './aedat4.js'
import { isNpy, parseEventNpy } from './arrays.js'
import { parseNmnist } from './nmnist.js'
import { type EventRecording, refuse, type Sensor } from './recording.js'

/** What can be read, by name. */
export const eventFormats: readonly EventFormat[] = [
  ...(['nmnist', 'aedat2', 'aedat3', 'aedat4', 'npy', 'npz'] as const),
]

/** A format of event files. */
export type EventFormat = 'nmnist' | 'aedat2' | 'aedat3' | 'aedat4' | 'npy' | 'npz'

/** Endings of files of events, and what they hold. AEDAT files say their version themselves. */
export const eventEndings: Readonly<Record<string, EventFormat>> = {
  ...{ bin: 'nmnist', bs2: 'nmnist', aedat: 'aedat2', aedat4: 'aedat4', npy: 'npy', npz: 'npz' },
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
  switch (format) {
    case 'nmnist':
      return parseNmnist(bytes, name, sensor)
    case 'aedat2':
      return parseAedat2(bytes, name, sensor)
    case 'aedat3':
      return parseAedat3(bytes, name, sensor)
    case 'aedat4':
      return parseAedat4(bytes, name, sensor, zstd)
    case 'npy':
      return parseEventNpy(bytes, name, sensor)
    case 'npz':
      return refuse(name, 'be unpacked first', 'an archive')
    default:
      format satisfies never
      return refuse(name, 'be a recording', 'another file')
  }
}
