/** Checkpoints to go on from. */

import { fail } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import { warn } from '../engine/platform.js'
import { parseCheckpoint } from '../files/checkpoint.js'
import type { Callback } from './callback.js'
import { folderOf, hasCheckpoint, runFiles } from './callbacks/run-files.js'
import { checkSnapshot, type Snapshot } from './snapshot.js'

// What else `fit` and its loop need to go on.
export { keptOf, keptTensorsOf, restoreCallbacks } from './callback-state.js'
export { identityOfFiles, prepareFingerprint } from './fingerprint.js'
export { expectSameSetting, restoreSnapshot, settingOf, takeSnapshot } from './snapshot.js'

/**
 * @param from bytes, a file, or the folder of a run
 * @param callbacks where one of them makes that very folder, there need not be any yet
 * @returns undefined where a folder holds no checkpoint yet
 * @throws SpikewasmError when it cannot be read, or is none
 */
export async function readSnapshot(
  from: string | Uint8Array,
  callbacks: readonly Callback[] = [],
): Promise<Snapshot | undefined> {
  const name = typeof from === 'string' ? from : 'fit.resume'
  const bytes = typeof from === 'string' ? await readFrom(from, callbacks) : from
  if (!bytes) return undefined
  const snapshot = checkSnapshot(await parseCheckpoint(bytes, name), name)
  warnOfVersion(snapshot.about.version, name)
  return snapshot
}

/** Another version may compute other numbers. */
export function warnOfVersion(version: unknown, name: string): void {
  if (version === VERSION) return
  const by = String(version).slice(0, 40)
  warn(
    `${name}: version ${by} of spikewasm wrote this checkpoint, this is ${VERSION}; training ` +
      'goes on, but its numbers may be others than those of one version',
    'SPIKEWASM_VERSION',
  )
}

/** The folder of a run that is finished, but was killed before its files had their names. */
export async function settle(from: string | Uint8Array | undefined): Promise<void> {
  if (typeof from !== 'string') return
  const { kindOfPath } = await import('../files/files.js')
  if ((await kindOfPath(from)) !== 'folder') return
  const { settleRunFolder } = await import('../files/folder/folder.js')
  await settleRunFolder(from)
}

async function readFrom(
  path: string,
  callbacks: readonly Callback[],
): Promise<Uint8Array | undefined> {
  const { kindOfPath, readFileClear } = await import('../files/files.js')
  const kind = await kindOfPath(path)
  if (kind === undefined && (await isMadeBy(callbacks, path))) return undefined
  if (kind !== 'folder') return readFileClear(path, 'fit.resume')
  const { readManifest, readRunFile } = await import('../files/folder/folder.js')
  const manifest = await readManifest(path)
  if (!manifest || !hasCheckpoint(Object.keys(manifest.files))) return undefined
  return readRunFile(path, runFiles.checkpoint)
}

async function isMadeBy(callbacks: readonly Callback[], path: string): Promise<boolean> {
  const { resolve } = await import('node:path')
  return callbacks.some((callback) => {
    const folder = folderOf.get(callback)
    return folder !== undefined && resolve(folder) === resolve(path)
  })
}

/** @throws SpikewasmError unless they are those of the run that goes on */
export function expectSameEpochs(
  { about }: Snapshot,
  { epochs = 1, initialEpoch }: { readonly epochs?: number; readonly initialEpoch?: number },
): void {
  const { first } = about
  if (initialEpoch !== undefined && initialEpoch !== first)
    fail(`fit.initialEpoch must be that of the checkpoint, ${first}, got ${initialEpoch}`)
  const wanted = initialEpoch === undefined ? about.epochs - first : about.epochs
  if (epochs !== wanted)
    fail(
      `fit.epochs must be that of the checkpoint, ${wanted}, got ${epochs}; to train on, ` +
        'call model.loadCheckpoint with the same folder or file, then fit without resume',
    )
}
