/** CIFAR-10 and CIFAR-100 from a folder or from the archive as downloaded. */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkOptions, describe, fail } from '../../base/errors.js'
import { kindOfPath, readFileClear, unpack } from '../../files/files.js'
import { readTar } from '../../files/tar.js'
import { fromBytes } from '../bytes.js'
import { sharedBytes } from '../plain.js'
import { checkLabels, type LabelledData, type Split } from './dataset.js'

// The binary distribution of CIFAR-10 and CIFAR-100, on bytes alone. A file is a sequence of
// records:
// ```
// CIFAR-10:  label                   | 1024 red | 1024 green | 1024 blue     each plane [32][32]
// CIFAR-100: coarse label, fine label| 1024 red | 1024 green | 1024 blue
// ```

const PIXELS = 32 * 32
const CHANNELS = 3

/**
 * Reads one file of records.
 *
 * @param labelBytes 1 for CIFAR-10; 2 for CIFAR-100, of which the second counts
 * @param name what error messages call the file
 * @returns [N][3][32][32], and N labels; the fine ones for CIFAR-100
 * @throws SpikewasmError that names the file if its size or a label is wrong
 */
export function parseCifar(bytes: Uint8Array, labelBytes: 1 | 2, classes: number, name: string) {
  const recordBytes = labelBytes + CHANNELS * PIXELS
  if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
    const got = `${bytes.length} bytes`
    fail(
      `${name}: size must be a multiple of ${recordBytes} bytes and not 0, got ${got}; ` +
        'is it truncated, or another distribution?',
    )
  }
  const count = bytes.length / recordBytes
  const images = new Uint8Array(count * CHANNELS * PIXELS)
  const labels = new Uint8Array(count)
  for (let n = 0; n < count; n++) {
    const planes = n * recordBytes + labelBytes
    labels[n] = bytes[planes - 1]
    images.set(bytes.subarray(planes, (n + 1) * recordBytes), n * CHANNELS * PIXELS)
  }
  checkLabels(name, labels, classes)
  return { images, labels }
}

/**
 * Class names, one a line; empty lines at the end do not count.
 *
 * @param name what error messages call the file
 * @throws SpikewasmError if there are not exactly `classes` names
 */
export function parseClassNames(bytes: Uint8Array, classes: number, name: string): string[] {
  const names = new TextDecoder()
    .decode(bytes)
    .trim()
    .split(/\s*\n\s*/)
  if (names.length !== classes)
    fail(
      `${name}: must have ${classes} lines, got ${names.length}; delete the file to do ` +
        'without names',
    )
  return names
}

/** Training and test images together. */
const IMAGES = 60_000

const CIFAR10 = {
  title: 'CIFAR-10',
  /** Names of the folder in the archive, and of the archive as downloaded. */
  folder: 'cifar-10-batches-bin',
  archive: 'cifar-10-binary.tar.gz',
  labelBytes: 1 as 1 | 2,
  classes: 10,
  trainFiles: /^data_batch_[1-5]\.bin$/,
  testFile: 'test_batch.bin',
  namesFile: 'batches.meta.txt',
  normalization: { scale: 255, mean: [0.4914, 0.4822, 0.4465], std: [0.2023, 0.1994, 0.201] },
  /** What a folder must hold, for error messages. */
  needs: 'test_batch.bin and at least one of data_batch_1.bin … data_batch_5.bin',
}

type Flavour = Readonly<typeof CIFAR10>

const CIFAR100: Flavour = {
  title: 'CIFAR-100',
  folder: 'cifar-100-binary',
  archive: 'cifar-100-binary.tar.gz',
  labelBytes: 2,
  classes: 100,
  trainFiles: /^train\.bin$/,
  testFile: 'test.bin',
  namesFile: 'fine_label_names.txt',
  normalization: { scale: 255, mean: [0.5071, 0.4867, 0.4408], std: [0.2675, 0.2565, 0.2761] },
  needs: 'train.bin and test.bin',
}

/** What `datasets.cifar10` takes. */
export interface CifarOptions {
  /**
   * With a folder of jpg or png files: a folder for converted pictures, as that of
   * `datasets.imageFolder`. Default: they are decoded in each epoch. The binary form needs none.
   */
  readonly cache?: string
}

/**
 * CIFAR-10, binary version: images of 32×32 in colour, normalised with mean (0.4914, 0.4822,
 * 0.4465) and standard deviation (0.2023, 0.1994, 0.2010).
 *
 * The training set is made of those files `data_batch_1.bin` … `data_batch_5.bin` that are there,
 * in this order: at least one. The test set is `test_batch.bin`, which must be there. Class names
 * are read from `batches.meta.txt` if it is there.
 *
 * @param path the archive `cifar-10-binary.tar.gz` (packed or not), the folder with the files, or a
 *   folder that holds either; also a folder with `train/airplane/*.jpg` and so on
 * @param options for such a folder of pictures
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export async function cifar10(
  path: string,
  options: CifarOptions = {},
): Promise<Split<LabelledData>> {
  checkOptions('cifar10', options, ['cache'])
  const { cache } = options
  // As jpg files in a folder for each class, whose names are in the order of the labels.
  if (
    typeof path === 'string' &&
    (await kindOfPath(join(path, 'train', 'airplane'))) === 'folder'
  ) {
    const { mean, std } = CIFAR10.normalization
    const { imageFolder } = await import('../pictures/folder.js')
    return imageFolder(path, { size: [32, 32], mean, std, cache }, 'cifar10')
  }
  if (cache !== undefined)
    fail(
      'cifar10.cache must be left out but for a folder of jpg or png files, got ' +
        `${describe(cache)}; the binary form is read once and stays in memory`,
    )
  return readSplit(path, CIFAR10)
}

/**
 * CIFAR-100, binary version, with the 100 fine labels: images of 32×32 in colour, normalised with
 * mean (0.5071, 0.4867, 0.4408) and standard deviation (0.2675, 0.2565, 0.2761). `train.bin` and
 * `test.bin` must be there; class names are read from `fine_label_names.txt` if it is.
 *
 * @param path the archive `cifar-100-binary.tar.gz` (packed or not), the folder with the files, or
 *   a folder that holds either
 * @throws SpikewasmError that names the file that is missing or damaged, and how
 */
export function cifar100(path: string): Promise<Split<LabelledData>> {
  return readSplit(path, CIFAR100)
}

async function readSplit(path: string, flavour: Flavour): Promise<Split<LabelledData>> {
  const { title, labelBytes, classes, namesFile, testFile } = flavour
  const { files, where } = await findFiles(path, flavour)
  const trainNames = [...files.keys()].filter((name) => flavour.trainFiles.test(name)).sort()
  if (trainNames.length === 0 || !files.has(testFile)) {
    const got = [...files.keys()].join(', ') || 'none of them'
    fail(`${where}: must hold ${flavour.needs} of ${title}, binary version, got ${got}`)
  }
  const names = files.get(namesFile)
  const classNames = names && parseClassNames(names, classes, join(where, namesFile))
  const toDataset = (part: string, sources: readonly string[]): LabelledData => {
    const records = sources.map((source) =>
      parseCifar(files.get(source)!, labelBytes, classes, join(where, source)),
    )
    return fromBytes({
      name: `${title} ${part}`,
      images: sharedBytes(Buffer.concat(records.map(({ images }) => images))),
      labels: Buffer.concat(records.map(({ labels }) => labels)),
      shape: [3, 32, 32],
      classes,
      classNames,
      normalization: flavour.normalization,
    })
  }
  return { train: toDataset('train', trainNames), test: toDataset('test', [testFile]) }
}

/** The files of the data set that are there, by name without folder, and where they were found. */
async function findFiles(
  path: string,
  flavour: Flavour,
): Promise<{ files: Map<string, Uint8Array>; where: string }> {
  const { title, folder, archive } = flavour
  const kind = await kindOfPath(path)
  if (kind === undefined)
    fail(
      `${title} must be a folder or an archive, got "${path}", which does not exist; ` +
        `download ${archive}`,
    )
  const files = new Map<string, Uint8Array>()
  if (kind === 'folder') {
    if ((await kindOfPath(join(path, folder))) === 'folder')
      return findFiles(join(path, folder), flavour)
    for (const name of await readdir(path)) {
      if (isWanted(name, flavour))
        files.set(name, await readFileClear(join(path, name), `${title} file`))
    }
    if (files.size === 0 && (await kindOfPath(join(path, archive))) === 'file')
      return findFiles(join(path, archive), flavour)
    return { files, where: path }
  }
  for (const [member, bytes] of readTar(
    await unpack(await readFileClear(path, `${title} archive`), path, mostBytes(flavour)),
    path,
  )) {
    const name = member.slice(member.lastIndexOf('/') + 1)
    if (isWanted(name, flavour)) files.set(name, bytes)
  }
  return { files, where: path }
}

/** Bytes of an archive, unpacked: all images there are, with names, headers and padding. */
const mostBytes = ({ labelBytes }: Flavour): number => IMAGES * (labelBytes + 3072) + (1 << 20)

const isWanted = (name: string, { trainFiles, testFile, namesFile }: Flavour): boolean =>
  trainFiles.test(name) || name === testFile || name === namesFile
