/** Checkpoints to go on from. */

import { parseCheckpoint } from '../io/checkpoint.js'
import { checkSnapshot, type Snapshot } from './snapshot.js'

/**
 * @param from bytes, a file, or the folder of a run
 * @returns undefined where a folder holds no checkpoint yet
 * @throws SpikewasmError when it cannot be read, or is none
 */
export async function readSnapshot(from: string | Uint8Array): Promise<Snapshot | undefined> {
  const name = typeof from === 'string' ? from : 'fit.resume'
  const bytes = typeof from === 'string' ? await readFrom(from) : from
  return checkSnapshot(await parseCheckpoint(bytes, name), name)
}

async function readFrom(path: string): Promise<Uint8Array> {
  const { readFileClear } = await import('../io/files.js')
  return readFileClear(path, 'fit.resume')
}
