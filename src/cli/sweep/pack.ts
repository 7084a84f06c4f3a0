/** A run's folder as one piece of bytes, for another machine. */

import { createTar } from 'nanotar'
import { fail, quote } from '../../errors.js'
import { RunFolder, readManifest, readRunFiles } from '../../io/folder/folder.js'
import { readTar } from '../../io/tar.js'
import { runFiles } from '../../train/callbacks/run-files.js'

const names: readonly string[] = Object.values(runFiles)

/**
 * The files of one commit.
 *
 * @param without a checkpoint: of a run that has ended nobody goes on
 * @returns undefined while there is nothing to go on from
 */
export async function packRun(
  folder: string,
  { without = [] }: { readonly without?: readonly string[] } = {},
): Promise<{ readonly bytes: Uint8Array; readonly generation: number } | undefined> {
  const manifest = await readManifest(folder)
  if (!manifest || !Object.hasOwn(manifest.files, runFiles.checkpoint)) return undefined
  const held = Object.keys(manifest.files).filter(
    (name) => names.includes(name) && !without.includes(name),
  )
  const files = await readRunFiles(folder, held)
  if (files[runFiles.options]) files[runFiles.options] = withoutPlaces(files[runFiles.options])
  const entries = Object.entries(files).map(([name, data]) => ({ name, data }))
  return { bytes: createTar(entries), generation: manifest.generation }
}

/** Options of a run say where its data are: that is of one machine. */
function withoutPlaces(bytes: Uint8Array): Uint8Array {
  const { data: _, ...rest } = JSON.parse(new TextDecoder().decode(bytes)) as { data?: unknown }
  return new TextEncoder().encode(`${JSON.stringify(rest, undefined, 2)}\n`)
}

/**
 * The files of a pack, which anybody may have written.
 * @throws SpikewasmError for what is no run
 */
export function unpackRun(bytes: Uint8Array, name: string): Record<string, Uint8Array> {
  const files: Record<string, Uint8Array> = {}
  for (const [file, data] of readTar(bytes, name)) {
    if (!names.includes(file)) fail(`${name}: must hold files of a run alone, got ${quote(file)}`)
    files[file] = data
  }
  return files
}

/** Makes a run's folder of a pack. */
export async function writeRun(path: string, files: Record<string, Uint8Array>): Promise<void> {
  const folder = await RunFolder.open(path)
  try {
    await folder.commit(files, { alone: true })
  } finally {
    await folder.close()
  }
}
