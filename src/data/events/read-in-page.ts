/** Recordings from bytes, with what a page has. */

import { fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import { joined, unpacking } from '../../files/unpack.js'
import { needsZstd } from '../recordings/aedat4.js'
import { parseEventArchive } from '../recordings/arrays.js'
import { formatOf, parseRecording } from '../recordings/parse.js'
import { type EventRecording, refuse } from '../recordings/recording.js'
import { eventFunctions } from './functions.js'
import { npzEntries } from './npz-entries.js'
import { bytesOf, checkReading, type ReadEventsOptions } from './options.js'

/** `events.read` in a page. */
export async function readEvents(
  from: string | URL | Uint8Array | Blob,
  options: ReadEventsOptions = {},
): Promise<EventRecording> {
  const checked = copyOf(checkReading('events.read', options))
  if (!(from instanceof Uint8Array) && !(from instanceof Blob))
    fail(
      'events.read of a path needs files, which a page has not; give it a File (dropped or ' +
        'chosen) or the bytes',
    )
  const { name, bytes } = await bytesOf(copyOf(from))
  const { format = formatOf(bytes, name), sensor } = checked
  if (format === 'aedat4' && needsZstd(bytes, name))
    fail(
      `${name}: must be compressed with LZ4 or not at all in a page, got Zstandard; read it in ` +
        'Node, or save it with LZ4',
    )
  if (format !== 'npz') return parseRecording(bytes, name, format, sensor)
  const arrays = new Map<string, Uint8Array>()
  for (const { key, data, size, isPacked } of npzEntries(bytes, name, ['t', 'x', 'y', 'p']))
    arrays.set(key, isPacked ? await inflated(data, size, `${name}: ${key}`) : data)
  return parseEventArchive(arrays, name, sensor)
}

/** As `events` in Node; `read` takes bytes and files of a page. */
export const events = { read: readEvents, ...eventFunctions }

async function inflated(data: Uint8Array, size: number, name: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of unpacking(data, 'deflate-raw')) {
      chunks.push(chunk)
      length += chunk.length
      if (length > size) throw new Error('it is longer than it says')
    }
    return joined(chunks)
  } catch (error) {
    return refuse(name, 'hold valid deflated data', `an error: ${(error as Error).message}`)
  }
}
