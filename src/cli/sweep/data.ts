/** Data sets of a sweep: where they are on this machine, and whether they are the same ones. */

import { createHash } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Split } from '../../data/index.js'
import { SpikewasmError } from '../../errors.js'
import { fingerprint, prepareFingerprint } from '../../train/fingerprint.js'
import { type DatasetName, datasets } from '../datasets.js'
import { frameSpecs } from '../event-options.js'
import { type DataArguments, loadData } from '../load-data.js'
import { dataSpecs, limitSpecs } from '../options.js'

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
    throw new SpikewasmError(
      `--data must be the folder that has ${name} in it, ${datasets[name].source}, got none`,
    )
  const inside = join(folder, name)
  if (existsSync(inside)) return inside
  // An archive of that name.
  const archive = existsSync(folder)
    ? readdirSafe(folder).find((file) => file.startsWith(`${name}.`) && /\.(tar|gz)/.test(file))
    : undefined
  return archive === undefined ? folder : join(folder, archive)
}

function readdirSafe(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch {
    return []
  }
}

/** Options that say which samples there are. */
const { data: _, cache: __, ...chosen } = { ...dataSpecs, ...limitSpecs, ...frameSpecs }
const dataKeys = [...Object.keys(chosen), 'timeSteps']

/** Hashes of data by what options say of them: each is loaded once. */
export class DataHashes {
  private readonly known = new Map<string, Promise<string>>()

  constructor(
    private readonly folder: string | undefined,
    private readonly cache: string | undefined,
  ) {}

  of(args: DataArguments): Promise<string> {
    const all = args as unknown as Record<string, unknown>
    const key = JSON.stringify(dataKeys.map((name) => all[name] ?? null))
    const found = this.known.get(key)
    if (found) return found
    const { folder, cache } = this
    const data = dataPath(args.dataset, folder)
    const hash = loadData({
      ...args,
      augment: false,
      ...(data === undefined ? {} : { data }),
      ...(cache === undefined ? {} : { cache }),
    }).then(splitHash)
    this.known.set(key, hash)
    return hash
  }
}
