/** Checkpoints to go on from. */

import { parseCheckpoint } from '../io/checkpoint.js'
import { runFiles } from './callbacks/checkpoint.js'
import { checkSnapshot, type Snapshot } from './snapshot.js'

/**
 * @param from bytes, a file, or the folder of a run
 * @returns undefined where a folder holds no checkpoint yet
 * @throws SpikewasmError when it cannot be read, or is none
 */
export async function readSnapshot(from: string | Uint8Array): Promise<Snapshot | undefined> {
  const name = typeof from === 'string' ? from : 'fit.resume'
  const bytes = typeof from === 'string' ? await readFrom(from) : from
  return bytes && checkSnapshot(await parseCheckpoint(bytes, name), name)
}

async function readFrom(path: string): Promise<Uint8Array | undefined> {
  const { kindOfPath, readFileClear } = await import('../io/files.js')
  if ((await kindOfPath(path)) !== 'folder') return readFileClear(path, 'fit.resume')
  const { readManifest, readRunFile } = await import('../io/folder/folder.js')
  const manifest = await readManifest(path)
  if (!manifest?.files[runFiles.checkpoint]) return undefined
  return readRunFile(path, runFiles.checkpoint)
}
