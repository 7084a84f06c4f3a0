/** Files of a run's folder, for who reads there, whether or not somebody writes. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fail, SpikewasmError } from '../../errors.js'
import { explainRead, readFileClear } from '../files.js'
import { plain } from '../unpack.js'
import { MANIFEST, type Manifest, matches, parseManifest } from './manifest.js'

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
 * Of a folder without a manifest: the file as it is.
 *
 * @throws SpikewasmError when there is none, or it is not what the manifest says
 */
export async function readRunFile(folder: string, name: string): Promise<Uint8Array> {
  return (await readRunFiles(folder, [name]))[name]
}

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
