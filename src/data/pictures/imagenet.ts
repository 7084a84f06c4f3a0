/**
 * ImageNet (ILSVRC 2012) in the layouts that are published: `train/<synset>/*.JPEG`, and the
 * validation pictures in folders by synset, or flat with a list of their synsets.
 */

import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../errors.js'
import { kindOfPath, readFileClear } from '../../io/files.js'
import type { Split } from '../dataset.js'
import type { FileEntry } from './files.js'
import { byName, entriesOf, entryOf, namesOf, partsOf, splitOf } from './folder.js'
import { checkPictureOptions, type PictureOptions } from './options.js'
import { classNamesOf, parseSolution } from './solution.js'

const TITLE = 'imageNet'
/** Of the training pictures, by which published networks normalise. */
const MEAN = [0.485, 0.456, 0.406]
const STD = [0.229, 0.224, 0.225]

/** Lists of the validation pictures' synsets, as they are published. */
const solutions = [
  'LOC_val_solution.csv',
  'val.txt',
  'imagenet_2012_validation_synset_labels.txt',
  'val_labels.txt',
] as const
const nameFiles = ['LOC_synset_mapping.txt', 'synset_words.txt'] as const

/** Where Kaggle's archive has the pictures. */
const inside = ['ILSVRC/Data/CLS-LOC', 'Data/CLS-LOC'] as const

/** @throws SpikewasmError that names the folder, file or option that is not as it must be */
export async function imageNet(folder: string, options: PictureOptions = {}): Promise<Split> {
  const given = checkOptionsOf(options)
  const root = await rootOf(folder)
  const parts = await partsOf(root, TITLE)
  const synsets = namesOf(parts.train)
  const order = new Map(synsets.map((name, label) => [name, label]))
  const train = entriesOf(parts.train, order)
  const beside = [...new Set([parts.test, root, dirname(root), folder])]
  const isFlat = readdirSync(parts.test).some((name) => /^[^.].*\.(jpe?g|png)$/i.test(name))
  const test = isFlat ? await flat(parts.test, order, beside) : entriesOf(parts.test, order)
  const named = await firstOf(beside, nameFiles)
  const classNames = named ? classNamesOf(named.bytes, named.path, synsets) : synsets
  const shared = { folder, title: TITLE, checked: given, classNames }
  return splitOf(shared, [parts.train, train], [parts.test, test])
}

function checkOptionsOf(options: PictureOptions) {
  // Says what is no object, before it is spread.
  checkPictureOptions(TITLE, options)
  const { channels = 3 } = options
  return checkPictureOptions(TITLE, {
    size: 256,
    crop: 224,
    ...(channels === 3 ? { mean: MEAN, std: STD } : { mean: [0.449], std: [0.226] }),
    randomResizedCrop: true,
    flip: true,
    ...options,
  })
}

async function rootOf(folder: string): Promise<string> {
  if (typeof folder !== 'string') return folder
  for (const below of inside)
    if ((await kindOfPath(join(folder, below))) === 'folder') return join(folder, below)
  return folder
}

interface FoundFile {
  readonly path: string
  readonly bytes: Uint8Array
}

async function firstOf(
  folders: readonly string[],
  names: readonly string[],
): Promise<FoundFile | undefined> {
  for (const name of names)
    for (const folder of folders) {
      const path = join(folder, name)
      if ((await kindOfPath(path)) === 'file')
        return { path, bytes: await readFileClear(path, 'the list of pictures') }
    }
  return undefined
}

/** Pictures in one folder, in the order of their names, with labels from a list. */
async function flat(
  folder: string,
  order: ReadonlyMap<string, number>,
  beside: readonly string[],
): Promise<FileEntry[]> {
  const names = readdirSync(folder)
    .filter((name) => /^[^.].*\.(jpe?g|png)$/i.test(name))
    .sort(byName)
  const found = await firstOf(beside, solutions)
  if (found === undefined)
    fail(
      `${folder}: holds pictures without folders of classes, and a list must say their synsets: ` +
        `${solutions.join(', ')}; got none beside it. (The devkit's ` +
        'ILSVRC2012_validation_ground_truth.txt counts classes in another order.)',
    )
  const labels = parseSolution(found.bytes, found.path, names, order)
  if (labels.length !== names.length) fail(`${found.path}: must name every picture`)
  return names.map((name, i) => entryOf(folder, name, labels[i]))
}
