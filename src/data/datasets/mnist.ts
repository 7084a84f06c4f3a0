/** MNIST and Fashion-MNIST from a folder with the four IDX files (Node). */

import { join } from 'node:path'
import { fail } from '../../base/errors.js'
import { kindOfPath, readFileClear, unpack } from '../../files/files.js'
import type { LabelledData, Split } from './dataset.js'
import {
  type Flavour,
  fashionFlavour,
  mnistFlavour,
  mnistOfFiles,
  type NamedFiles,
  readSplit,
} from './mnist-files.js'

/**
 * MNIST: 60,000 + 10,000 images of 28×28 handwritten digits, normalised with mean 0.1307 and
 * standard deviation 0.3081.
 *
 * @param from the folder that holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
 *   `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each as it is or with `.gz`, or these
 *   files
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export function mnist(from: string | NamedFiles): Promise<Split<LabelledData>> {
  return read('datasets.mnist', from, mnistFlavour)
}

/**
 * Fashion-MNIST: 60,000 + 10,000 images of 28×28, normalised with mean 0.2860 and standard
 * deviation 0.3530.
 *
 * @param from as for {@link mnist}
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export function fashionMnist(from: string | NamedFiles): Promise<Split<LabelledData>> {
  return read('datasets.fashionMnist', from, fashionFlavour)
}

async function read(
  loader: string,
  from: string | NamedFiles,
  flavour: Flavour,
): Promise<Split<LabelledData>> {
  if (typeof from !== 'string') return mnistOfFiles(loader, from, flavour)
  const folder = from
  if ((await kindOfPath(folder)) !== 'folder') {
    fail(
      `${flavour.title} folder must exist, got "${folder}"; give the folder that holds ` +
        'train-images-idx3-ubyte.gz and its three companions',
    )
  }
  // `name`.gz is read where there is no file `name`.
  return readSplit(flavour, folder, async (name, what, measure) => {
    const path = join(folder, name)
    const found =
      (await kindOfPath(path)) === 'file' || (await kindOfPath(`${path}.gz`)) === undefined
        ? path
        : `${path}.gz`
    const packed = await readFileClear(found, `${what} (plain or .gz)`)
    return { name: found, bytes: await unpack(packed, found, measure(found)) }
  })
}
