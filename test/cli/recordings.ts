/** Recordings in a folder, made by hand. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Event, nmnistFile } from '../support/event-files.js'

/** 150 events in 44.7 ms, another movement for each label. */
export const recording = (label: number): Event[] =>
  Array.from({ length: 150 }, (_, i) => [
    5 + ((i * (label + 3)) % 20),
    5 + ((i * 7) % 24),
    300 * i,
    (i + label) & 1,
  ])

/** A folder as N-MNIST's, two recordings of each digit in both parts; returns its path. */
export async function writeRecordings(folder: string): Promise<string> {
  for (const part of ['Train', 'Test'])
    for (let label = 0; label < 10; label++) {
      const path = join(folder, 'nmnist', part, String(label))
      await mkdir(path, { recursive: true })
      for (let i = 0; i < 2; i++)
        await writeFile(join(path, `${i}.bin`), nmnistFile(recording(label)))
    }
  return join(folder, 'nmnist')
}
