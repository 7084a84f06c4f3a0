/**
 * The manifest of a run's folder, which files make it and what is in them; and these files, for who
 * reads there, whether or not somebody writes.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, fail, quote, SpikewasmError } from '../../base/errors.js'
import { sha256 } from '../../base/hash.js'
import { explainRead, readFileClear } from '../files.js'
import { parseJsonBytes } from '../json.js'
import { plain } from '../unpack.js'

export const MANIFEST = 'manifest.json'

/** A file as it was written; its hash is hexadecimal. */
export type FileEntry = Readonly<ReturnType<typeof entryOf>>

export interface Manifest {
  /** Version of the layout. */
  readonly format: 1
  /** How often the folder was written. */
  readonly generation: number
  /** By name; all lie at the top of the folder. */
  readonly files: Readonly<Record<string, FileEntry>>
  /** What the commit before had and this one has not: it is removed. */
  readonly dropped?: Readonly<Record<string, FileEntry>>
}

export const entryOf = (bytes: Uint8Array) => ({ bytes: bytes.length, sha256: sha256([bytes]) })

export const matches = (bytes: Uint8Array, entry: FileEntry): boolean =>
  bytes.length === entry.bytes && entryOf(bytes).sha256 === entry.sha256

export const serializeManifest = (manifest: Manifest): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(manifest, undefined, 2)}\n`)

/** Far more than a run has. */
const MOST_FILES = 1000

/** @throws SpikewasmError for what is no manifest, or one of another version */
export function parseManifest(bytes: Uint8Array, path: string): Manifest {
  const refuse = (what: string): never =>
    fail(
      `${path}: must be the manifest of a run, got ${what}; it is damaged, or no file of ` +
        'ours: put back the one that was written, remove it, or choose another folder',
    )
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

/** How often a reader begins anew because a writer was faster. */
const TRIES = 20
/** A rename between two looks is no damage: so often a reader looks at one generation. */
const LOOKS = 3

/** A file's name until it gets its own. */
export const generationName = (generation: number, name: string): string =>
  `.run.${generation}.${name}`

/** The manifest of a folder; undefined when it has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, MANIFEST)
  try {
    return parseManifest(await readFile(path), path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    if (error instanceof SpikewasmError) throw error
    fail(
      `${path}: must be the manifest of a run, and readable: ${await explainRead(error, path)}`,
      error,
    )
  }
}

/**
 * A file of a run's folder, as the last commit has left it, whether or not somebody writes there.
 * In a folder without a manifest, the file as it is.
 *
 * @throws SpikewasmError when there is none, or it is not what the manifest says
 */
export const readRunFile = async (folder: string, name: string): Promise<Uint8Array> =>
  (await readRunFiles(folder, [name]))[name]

/**
 * Files of one and the same commit, by name; else as `readRunFile`.
 *
 * @throws SpikewasmError when one is missing, or not what the manifest says
 */
export async function readRunFiles(
  folder: string,
  names: readonly string[],
): Promise<Record<string, Uint8Array>> {
  let [generation, looks] = [-1, 0]
  let problem: { readonly name: string; readonly error: unknown } | undefined
  for (let tries = 0; tries < TRIES && looks < LOOKS; tries++) {
    const manifest = await readManifest(folder)
    looks = manifest?.generation === generation ? looks + 1 : 1
    generation = manifest?.generation ?? -1
    const out: Record<string, Uint8Array> = {}
    problem = undefined
    for (const name of names) {
      if (!manifest) {
        out[name] = await readFileClear(join(folder, name), `the run's ${name}`)
        continue
      }
      const found = await readEntry(folder, name, manifest)
      if (found.bytes) out[name] = found.bytes
      else problem ??= { name, error: found.error }
    }
    if (!problem) return out
  }
  const { name = '', error } = problem ?? {}
  const path = join(folder, name)
  const why = error ? `: ${await explainRead(error, path)}` : ''
  fail(
    `${path}: must be the file that the run has written (manifest.json has its hash), got ` +
      `another or none${why}; put it back, or train again`,
  )
}

/** A file under the one name or the other; without bytes where both are not what was written. */
async function readEntry(
  folder: string,
  name: string,
  { generation, files }: Manifest,
): Promise<{ bytes?: Uint8Array; error?: unknown }> {
  const entry = Object.hasOwn(files, name) ? files[name] : undefined
  if (!entry)
    fail(
      `${folder}: the run must have a file ${name}, got one with ` +
        `${Object.keys(files).slice(0, 10).join(', ') || 'none'}; it has not come that far`,
    )
  let problem: unknown
  for (const place of [name, generationName(generation, name)]) {
    try {
      const bytes = await readFile(join(folder, place))
      if (matches(bytes, entry)) return { bytes: plain(bytes) }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') problem = error
    }
  }
  return { error: problem }
}
