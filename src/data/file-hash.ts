/**
 * A hash of samples that lie in files (Node): of what the files hold, in the order of the samples.
 * Paths and names have no part in it, so the same data have the same hash on any machine, and when
 * they are moved. All sizes and labels count, and the beginnings of many files: to read all of a
 * large data set would take longer than a training does.
 */

import { createHash, type Hash } from 'node:crypto'
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { fail } from '../base/errors.js'

/** Files that are looked into, which lie evenly: of smaller data sets that is each one. */
const FILES = 1024
/** Bytes of each: most pictures and short recordings have no more. */
const BYTES = 1 << 16

/** Samples, each in a file. */
export interface SampleFiles {
  /** Options that samples follow from. */
  readonly how: object
  readonly count: number
  /** The size of a sample's file, and what else it follows from, such as its label. */
  facts(index: number): readonly unknown[]
  path(index: number): string
}

/**
 * @returns 16 hexadecimal digits
 * @throws SpikewasmError that names a file which cannot be read
 */
export function hashOfFiles({ how, count, facts, path: pathAt }: SampleFiles): string {
  const hash = createHash('sha256').update(`${JSON.stringify(how)} ${count}\n`)
  // A recording may hold many samples.
  const seen = new Set<string>()
  const step = Math.max(1, count / FILES)
  let next = 0
  for (let i = 0; i < count; i++) {
    hash.update(`${JSON.stringify(facts(i))}\n`)
    if (i < Math.floor(next * step)) continue
    next++
    const path = pathAt(i)
    if (seen.has(path)) continue
    seen.add(path)
    addBeginning(hash, path)
  }
  return hash.digest('hex').slice(0, 16)
}

function addBeginning(hash: Hash, path: string): void {
  let file: number | undefined
  try {
    file = openSync(path, 'r')
    const bytes = new Uint8Array(Math.min(BYTES, fstatSync(file).size))
    hash.update(bytes.subarray(0, readSync(file, bytes, 0, bytes.length, 0)))
  } catch (error) {
    fail(
      `${path}: the file could not be read (${(error as Error).message}); it was there when the ` +
        'folder was listed',
      error,
    )
  } finally {
    if (file !== undefined) closeSync(file)
  }
}
