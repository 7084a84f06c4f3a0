/** Which files make a run's folder, and what is in them. */

import { createHash } from 'node:crypto'
import { describe, fail, quote } from '../../errors.js'
import { parseJsonBytes } from '../json.js'

export const MANIFEST = 'manifest.json'

/** A file as it was written. */
export interface FileEntry {
  readonly bytes: number
  /** Hexadecimal. */
  readonly sha256: string
}

export interface Manifest {
  /** Of this layout. */
  readonly format: 1
  /** How often the folder was written. */
  readonly generation: number
  /** By name; all lie at the top of the folder. */
  readonly files: Readonly<Record<string, FileEntry>>
  /** What the commit before had and this one has not: it is removed. */
  readonly dropped?: Readonly<Record<string, FileEntry>>
}

export function entryOf(bytes: Uint8Array): FileEntry {
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

export function matches(bytes: Uint8Array, entry: FileEntry): boolean {
  return bytes.length === entry.bytes && entryOf(bytes).sha256 === entry.sha256
}

export function serializeManifest(manifest: Manifest): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`)
}

/** Far more than a run has. */
const MOST_FILES = 1000

/** @throws SpikewasmError for what is no manifest, or one of another version */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const refuse = (what: string): never => {
    fail(
      `${path}: must be the manifest of a run, got ${what}; it is damaged, or no file of ` +
        'ours: put back the one that was written, remove it, or choose another folder',
    )
  }
  const value = parseJsonBytes(bytes, path, 'the manifest', {
    length: 1_000_000,
  }) as Partial<Manifest> | null
  if (typeof value !== 'object' || value === null) return refuse('no object')
  if (value.format !== 1)
    fail(
      `${path}: the format must be 1, got ${describe(value.format)}; another ` +
        'version of spikewasm wrote this folder',
    )
  const { generation, files, dropped = {} } = value
  if (!Number.isSafeInteger(generation) || (generation as number) < 0)
    return refuse('no number of a generation')
  for (const list of [files, dropped]) {
    const isList = typeof list === 'object' && list !== null && !Array.isArray(list)
    const entries = isList ? Object.entries(list) : undefined
    if (!entries || entries.length > MOST_FILES) return refuse('no list of files')
    for (const [name, entry] of entries)
      if (
        !/^[\w-][\w.-]*$/.test(name) ||
        !Number.isSafeInteger(entry?.bytes) ||
        !/^[0-9a-f]{64}$/.test(String(entry?.sha256))
      )
        return refuse(`the file ${quote(name)}`)
  }
  return value as Manifest
}
