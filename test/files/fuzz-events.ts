/** Files of recordings for the fuzzer, whole. */

import { parseFile } from '../../src/data/events/read.js'
import { parseGestureLabels } from '../../src/data/events/sets.js'
import type { EventFormat } from '../../src/data/recordings/parse.js'
import {
  aedat2File,
  aedat3File,
  type Event,
  fixture,
  nmnistFile,
  npzFile,
  structuredNpy,
} from '../support/event-files.js'

/** Readers by name; what is read must be a recording that holds together. */
export function eventReaders(): Record<
  string,
  { bytes: Uint8Array; read(bytes: Uint8Array): unknown }
> {
  const events = Array.from({ length: 12 }, (_, i): Event => [i, 11 - i, 90 * i, i & 1])
  const reader = (bytes: Uint8Array, format: EventFormat) => ({
    bytes,
    read(mutated: Uint8Array) {
      const recording = parseFile(mutated, 'it', { format })
      const { x, y, t, p, length, width, height } = recording
      const whole = [x, y, t, p].every((list) => list.length === length)
      const inside =
        x.every((value) => value < width) &&
        y.every((value) => value < height) &&
        t.every(Number.isSafeInteger) &&
        p.every((value) => value <= 1)
      if (!whole || !inside) throw new Error(`no whole recording of ${format}`)
      return recording
    },
  })
  return {
    'events nmnist': reader(nmnistFile(events), 'nmnist'),
    'events aedat2': reader(aedat2File(events), 'aedat2'),
    'events aedat3': reader(aedat3File(events), 'aedat3'),
    'events aedat4': reader(fixture('plain.aedat4'), 'aedat4'),
    'events aedat4 lz4': reader(fixture('lz4.aedat4'), 'aedat4'),
    'events aedat4 zstd': reader(fixture('zstd.aedat4'), 'aedat4'),
    'events npy': reader(structuredNpy(events), 'npy'),
    'events npz': reader(npzFile(events), 'npz'),
    'events labels': {
      bytes: new TextEncoder().encode('class,start,end\n1,100,200\n11,200,300\n'),
      read: (bytes) => parseGestureLabels(bytes, 'it'),
    },
  }
}
