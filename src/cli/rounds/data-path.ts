/** Where a worker has a data set. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type DatasetName, datasets } from '../datasets.js'

export function dataPath(name: DatasetName, folder: string | undefined): string | undefined {
  if (!('source' in datasets[name])) return undefined
  const inside = folder === undefined ? undefined : join(folder, name)
  return inside !== undefined && existsSync(inside) ? inside : folder
}
