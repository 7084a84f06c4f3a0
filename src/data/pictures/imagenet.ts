/**
 * ImageNet (ILSVRC 2012) in the layouts that are published: `train/<synset>/*.JPEG`, and the
 * validation pictures in folders by synset, or flat with a list of their synsets.
 */

import { readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../base/errors.js'
import { kindOfPath, linesOf, readFileClear } from '../../files/files.js'
import type { LabelledData, Split } from '../datasets/dataset.js'
import { entryOf, type FileEntry } from './dataset.js'
import { entriesOf, isPicture, namesOf, partsOf, splitOf } from './folder.js'
import { checkPictureOptions, type PictureOptions } from './options.js'

// Lists that come with ImageNet, on bytes alone.

const stem = (name: string): string => name.slice(name.lastIndexOf('/') + 1).replace(/\.\w+$/, '')

/**
 * Labels of pictures, in the order of `names`. A line is one of
 *
 * ```
 * ILSVRC2012_val_00000001,n01751748 111 108 230 366     Kaggle's LOC_val_solution.csv, with a head
 * ILSVRC2012_val_00000001.JPEG 65                       a class by its number, as Caffe's val.txt
 * ILSVRC2012_val_00000001.JPEG n01751748
 * n01751748                                             the synset of the next picture
 * ```
 *
 * @param path what error messages call the file
 * @param order the label of each synset
 * @throws SpikewasmError that names the first line that is none of these, and a picture that no
 *   line names
 */
export function parseSolution(
  bytes: Uint8Array,
  path: string,
  names: readonly string[],
  order: ReadonlyMap<string, number>,
): Int32Array {
  const lines = linesOf(bytes, path)
  if (/^ImageId,/i.test(lines[0] ?? '')) lines.shift()
  const labelOf = (text: string, line: number): number => {
    const label = /^\d+$/.test(text) ? Number(text) : order.get(text)
    if (label === undefined || label >= order.size)
      fail(
        `${path}: line ${line + 1} must name a class of the training pictures, by its synset or ` +
          `a number below ${order.size}, got ${JSON.stringify(text.slice(0, 40))}`,
      )
    return label
  }
  const out = new Int32Array(names.length)
  if (lines.every((line) => !/[\s,]/.test(line))) {
    if (lines.length !== names.length)
      fail(`${path}: must have a line for each of ${names.length} pictures, got ${lines.length}`)
    for (const [i, line] of lines.entries()) out[i] = labelOf(line, i)
    return out
  }
  const labels = new Map<string, number>()
  for (const [i, line] of lines.entries()) {
    const [name, label] = line.split(/[\s,]+/, 2)
    if (label === undefined)
      fail(
        `${path}: line ${i + 1} must be a picture and its class, got ` +
          JSON.stringify(line.slice(0, 40)),
      )
    labels.set(stem(name), labelOf(label, i))
  }
  for (const [i, name] of names.entries()) {
    const label = labels.get(stem(name))
    if (label === undefined) fail(`${path}: must name every picture, got no line for ${name}`)
    out[i] = label
  }
  return out
}

/** Words for each synset: `n01440764 tench, Tinca tinca`; those that have none keep their name. */
export function classNamesOf(
  bytes: Uint8Array,
  path: string,
  synsets: readonly string[],
): string[] {
  const words = new Map<string, string>()
  for (const line of linesOf(bytes, path)) {
    const at = line.search(/\s/)
    if (at > 0) words.set(line.slice(0, at), line.slice(at).trim())
  }
  return synsets.map((synset) => words.get(synset) ?? synset)
}

const TITLE = 'imageNet'
/** Figures of the training pictures, by which published networks normalise. */
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
export async function imageNet(
  folder: string,
  options: PictureOptions = {},
): Promise<Split<LabelledData>> {
  const given = checkOptionsOf(options)
  const root = await rootOf(folder)
  const parts = await partsOf(root, TITLE)
  const synsets = namesOf(parts.train)
  const order = new Map(synsets.map((name, label) => [name, label]))
  const train = entriesOf(parts.train, order)
  const beside = [...new Set([parts.test, root, dirname(root), folder])]
  const isFlat = readdirSync(parts.test).some(isPicture)
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

async function firstOf(folders: readonly string[], names: readonly string[]) {
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
  const names = readdirSync(folder).filter(isPicture).sort()
  const found = await firstOf(beside, solutions)
  if (found === undefined)
    fail(
      `${folder}: holds pictures without folders of classes, and a list must say their synsets: ` +
        `${solutions.join(', ')}; got none beside it. (The devkit's ` +
        'ILSVRC2012_validation_ground_truth.txt counts classes in another order.)',
    )
  const labels = parseSolution(found.bytes, found.path, names, order)
  return names.map((name, i) => entryOf(folder, name, labels[i]))
}
