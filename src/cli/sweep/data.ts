/** Data sets of a sweep: where they are on this machine, and whether they are the same ones. */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Split } from '../../data/index.js'
import { fail } from '../../errors.js'
import { fingerprint, prepareFingerprint } from '../../train/fingerprint.js'
import { type DatasetName, datasets } from '../datasets.js'
import { frameSpecs } from '../event-options.js'
import { type DataArguments, loadData } from '../load-data.js'
import * as shared from '../options.js'
import type { CheckedRun } from './options.js'

/** A hash of what a run trains and is tested with; 16 hexadecimal digits. */
export async function splitHash({ train, test }: Split): Promise<string> {
  const hash = createHash('sha256')
  for (const part of [train, test]) {
    await prepareFingerprint(part)
    hash.update(`${part.length} ${part.shape.join('x')} ${part.classes} ${fingerprint(part)};`)
  }
  return hash.digest('hex').slice(0, 16)
}

/**
 * Where a data set is.
 *
 * @param folder what `--data` says: the data set, or a folder with one of its name in it
 * @returns undefined for data that come with the package
 * @throws SpikewasmError when there is no folder
 */
export function dataPath(name: DatasetName, folder: string | undefined): string | undefined {
  if (!('source' in datasets[name])) return undefined
  if (folder === undefined)
    fail(`--data must be the folder that has ${name} in it, ${datasets[name].source}, got none`)
  const inside = join(folder, name)
  if (existsSync(inside)) return inside
  try {
    const isArchive = (file: string) => file.startsWith(`${name}.`) && /\.(tar|gz)/.test(file)
    const archive = readdirSync(folder).sort().find(isArchive)
    return archive === undefined ? folder : join(folder, archive)
  } catch {
    // It is no folder.
    return folder
  }
}

/** Arguments of `train` behind those of the run: what of it is of this machine. */
export function placeArgs(
  { parsed, given }: CheckedRun,
  { data, cache, threads }: { data?: string; cache?: string; threads: number },
): string[] {
  const path = dataPath(parsed.dataset, data)
  return [
    ...(path === undefined ? [] : ['--data', path]),
    ...(cache === undefined ? [] : ['--cache', cache]),
    ...(Object.hasOwn(given, 'threads') ? [] : ['--threads', String(threads)]),
  ]
}

/** Options that say which samples there are. */
const { data: _, cache: __, ...chosen } = { ...shared.data, ...shared.limits, ...frameSpecs }
const dataKeys = [...Object.keys(chosen), 'timeSteps']

/** Hashes of data by what options say of them: each is loaded once. */
export function dataHashes(folder: string | undefined, cache: string | undefined) {
  const known = new Map<string, Promise<string>>()
  return (args: DataArguments): Promise<string> => {
    const all = new Map<string, unknown>(Object.entries(args))
    const key = JSON.stringify(dataKeys.map((name) => all.get(name) ?? null))
    const data = dataPath(args.dataset, folder)
    const hash =
      known.get(key) ?? loadData({ ...args, augment: false, data, cache }).then(splitHash)
    known.set(key, hash)
    return hash
  }
}
