/** MNIST and Fashion-MNIST from a folder with the four IDX files. */

import { join } from 'node:path'
import { SpikewasmError } from '../errors.js'
import { kindOfPath, readFileClear, unpack } from '../io/files.js'
import { fromBytes } from './bytes.js'
import type { Dataset, Split } from './dataset.js'
import { checkLabels } from './dataset.js'
import { idxBytes, parseIdx } from './idx.js'
import { sharedBytes } from './plain.js'

const CLASSES = 10

interface Flavour {
  readonly title: string
  readonly mean: number
  readonly std: number
  readonly classNames?: readonly string[]
}

/**
 * MNIST: 60,000 + 10,000 images of 28×28 handwritten digits, normalised with mean 0.1307 and
 * standard deviation 0.3081.
 *
 * @param folder holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`,
 *   `t10k-images-idx3-ubyte` and `t10k-labels-idx1-ubyte`, each as it is or with `.gz`
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export function mnist(folder: string): Promise<Split> {
  return readSplit(folder, { title: 'MNIST', mean: 0.1307, std: 0.3081 })
}

/**
 * Fashion-MNIST: 60,000 + 10,000 images of 28×28, normalised with mean 0.2860 and standard
 * deviation 0.3530.
 *
 * @param folder as for {@link mnist}
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export function fashionMnist(folder: string): Promise<Split> {
  const classNames = [
    'T-shirt/top',
    'Trouser',
    'Pullover',
    'Dress',
    'Coat',
    'Sandal',
    'Shirt',
    'Sneaker',
    'Bag',
    'Ankle boot',
  ]
  return readSplit(folder, { title: 'Fashion-MNIST', mean: 0.286, std: 0.353, classNames })
}

async function readSplit(folder: string, flavour: Flavour): Promise<Split> {
  const { title } = flavour
  if ((await kindOfPath(folder)) !== 'folder') {
    throw new SpikewasmError(
      `${title} folder must exist, got "${folder}"; give the folder that holds ` +
        'train-images-idx3-ubyte.gz and its three companions',
    )
  }
  const train = await readPart(folder, 'train', `${title} train`, flavour)
  const test = await readPart(folder, 't10k', `${title} test`, flavour)
  if (train.shape.join() !== test.shape.join()) {
    throw new SpikewasmError(
      `${folder}: test images must be as large as the training images, got ` +
        `${test.shape.join('×')} and ${train.shape.join('×')}`,
    )
  }
  return { train, test }
}

async function readPart(
  folder: string,
  prefix: string,
  name: string,
  { mean, std, classNames }: Flavour,
): Promise<Dataset> {
  const images = await readIdx(join(folder, `${prefix}-images-idx3-ubyte`), 3, `${name} images`)
  const labels = await readIdx(join(folder, `${prefix}-labels-idx1-ubyte`), 1, `${name} labels`)
  const [count, height, width] = images.shape
  if (labels.shape[0] !== count) {
    throw new SpikewasmError(
      `${labels.path}: must have as many labels as there are images, ${count}, got ` +
        `${labels.shape[0]}; are the files of one data set?`,
    )
  }
  checkLabels(labels.path, labels.data, CLASSES)
  const normalization = { scale: 255, mean: [mean], std: [std] }
  return fromBytes({
    name,
    images: sharedBytes(images.data),
    labels: labels.data,
    shape: [1, height, width],
    classes: CLASSES,
    classNames,
    normalization,
  })
}

/** Reads `path`, or `path`.gz if there is no such file. */
async function readIdx(
  path: string,
  rank: number,
  what: string,
): Promise<{ shape: readonly number[]; data: Uint8Array; path: string }> {
  const found =
    (await kindOfPath(path)) === 'file' || (await kindOfPath(`${path}.gz`)) === undefined
      ? path
      : `${path}.gz`
  const packed = await readFileClear(found, `${what} (plain or .gz)`)
  const bytes = await unpack(packed, found, (head) => idxBytes(head, rank, found))
  return { ...parseIdx(bytes, rank, found), path: found }
}
