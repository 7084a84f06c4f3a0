/** Data sets from folders of pictures: a folder for each class. */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, fail } from '../../base/errors.js'
import { permutation } from '../../base/random.js'
import { warn } from '../../engine/platform.js'
import { kindOfEntry, kindOfPath } from '../../files/files.js'
import { type LabelledData, MOST_CLASSES, type Split, wholeSplit } from '../datasets/dataset.js'
import { cacheKey } from './cache.js'
import {
  entryOf,
  type FileEntry,
  openPictures,
  type PlainPictures,
  pathOf,
  tableOf,
} from './dataset.js'
import { decodePicture, loadCodecs } from './decode.js'
import { type CheckedPictures, checkFolderOptions, type ImageFolderOptions } from './options.js'
import { resizeTo, toChannels } from './transforms.js'

/** Folders below that of a class. */
const DEEPEST = 8
/** More pictures than any data set has. */
const MOST_FILES = 1 << 26

export const isPicture = (name: string): boolean => /^[^.].*\.(jpe?g|png)$/i.test(name)

/** Pictures that are not read. */
const isOther = (name: string): boolean =>
  /^[^.].*\.(webp|gif|bmp|tiff?|p[bgnp]m|avif|jxl|heic)$/i.test(name)

/**
 * Pictures in a folder for each class: `train/<class>/…` and `val/<class>/…` or `test/<class>/…`,
 * or `<class>/…` alone; jpg or png, told apart by their content. Labels are the classes' places in
 * the order of their names. Pictures are read and decoded when they are asked for.
 *
 * @throws SpikewasmError that names the folder, file or option that is not as it must be
 */
export async function imageFolder(
  folder: string,
  options: ImageFolderOptions = {},
  title = 'imageFolder',
): Promise<Split<LabelledData>> {
  const { checked, trainShare, seed } = checkFolderOptions(title, options)
  const found = await foundParts(folder, title)
  if (isWhole(found, trainShare))
    return wholeOf({ folder, checked, classNames: namesOf(folder), title }, trainShare ?? 1, seed)
  if (trainShare !== undefined)
    fail(
      `${title}.trainShare must be left out for ${folder}, which has folders for both parts, got ` +
        describe(trainShare),
    )
  const parts = bothParts(folder, found, title)
  const classNames = namesOf(parts.train)
  const order = new Map(classNames.map((name, label) => [name, label]))
  const partOf = (folder: string): Part => [folder, entriesOf(folder, order)]
  return splitOf({ folder, checked, classNames, title }, partOf(parts.train), partOf(parts.test))
}

type Found = Readonly<Partial<Record<'train' | 'test' | 'val', string>>>

/** Folders of both parts. */
export const partsOf = async (folder: string, title: string) =>
  bothParts(folder, await foundParts(folder, title), title)

/** Whether a folder holds classes alone: none is called as a part, or a share is asked for. */
const isWhole = ({ train, test, val }: Found, trainShare: number | undefined): boolean =>
  trainShare === undefined
    ? train === undefined && test === undefined && val === undefined
    : train === undefined || (test === undefined && val === undefined)

/** Pictures of classes without parts: all to train with, or a share of each class. */
async function wholeOf(
  shared: Shared,
  trainShare: number,
  seed: number,
): Promise<Split<LabelledData>> {
  const { folder, title, classNames } = shared
  const entries = entriesOf(folder, new Map(classNames.map((name, label) => [name, label])))
  if (trainShare < 1) {
    const isTraining = sharesOf(entries, classNames.length, trainShare, seed)
    const train = entries.filter((_, i) => isTraining[i])
    const test = entries.filter((_, i) => !isTraining[i])
    if (test.length === 0)
      fail(
        `${title}.trainShare must leave pictures to test with, got ${trainShare} for ` +
          `${entries.length} pictures; make it smaller`,
      )
    return splitOf(shared, [folder, train], [folder, test])
  }
  const { train } = await splitOf(shared, [folder, entries], [folder, entries])
  return wholeSplit(train, () => {
    fail(
      `${folder}: has a folder for each class, all for training, and no test part; give ` +
        'trainShare, 0.9 for example (on the command line --train-share 0.9), or move pictures ' +
        'into train/<class> and val/<class>',
    )
  })
}

/** Which entries are for training: of each class as many as its share, chosen by the seed. */
function sharesOf(
  entries: readonly FileEntry[],
  classes: number,
  share: number,
  seed: number,
): boolean[] {
  const places: number[][] = Array.from({ length: classes }, () => [])
  for (const [i, { label }] of entries.entries()) places[label].push(i)
  const isTraining = new Array<boolean>(entries.length).fill(false)
  for (const [label, of] of places.entries()) {
    const order = permutation(of.length, seed, label)
    for (let i = 0; i < Math.ceil(of.length * share); i++) isTraining[of[order[i]]] = true
  }
  return isTraining
}

async function foundParts(folder: string, title: string): Promise<Found> {
  const isText = typeof folder === 'string'
  const kind = isText ? await kindOfPath(folder) : undefined
  if (kind !== 'folder')
    fail(
      `${title} must be a folder with train/ and val/ or test/` +
        `${title === 'imageFolder' ? ', or with one for each class' : ''}, got ` +
        `${describe(folder)}${isText ? `, which ${kind ? 'is a file' : 'does not exist'}` : ''}`,
    )
  const found: { -readonly [Key in keyof Found]: string } = {}
  for (const name of ['train', 'test', 'val'] as const)
    if ((await kindOfPath(join(folder, name))) === 'folder') found[name] = join(folder, name)
  return found
}

function bothParts(folder: string, found: Found, title: string): { train: string; test: string } {
  const { train, test, val } = found
  // Public test pictures often come without labels, as those of ImageNet.
  const last = val ?? test
  if (train === undefined || last === undefined)
    fail(
      `${folder}: must hold the folders train and val (or test), each with a folder for every ` +
        `class, got ${Object.keys(found).join(' and ') || 'neither'}` +
        (title === 'imageFolder'
          ? '; with trainShare (1: all for training) every folder in it is a class'
          : ''),
    )
  return { train, test: last }
}

/** Names of the classes' folders, in order. */
export function namesOf(folder: string): string[] {
  const names = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => !entry.name.startsWith('.') && kindOfEntry(folder, entry) === 'folder')
    .map(({ name }) => name)
    // In the order of their characters' numbers, as Python sorts them.
    .sort()
  if (!(names.length > 0 && names.length <= MOST_CLASSES))
    fail(
      `${folder}: must hold a folder for each class, 1 to ${MOST_CLASSES}, got ` +
        `${names.length === 0 ? 'none' : names.length}`,
    )
  return names
}

/**
 * Pictures of all classes. Those of a class are in the order of their names, and classes take turns
 * in proportion to their sizes: so the first samples, and the last ones, are of all classes.
 */
export function entriesOf(folder: string, order: ReadonlyMap<string, number>): FileEntry[] {
  const entries: FileEntry[] = []
  const places: number[] = []
  const others: string[] = []
  for (const name of namesOf(folder)) {
    const label = order.get(name)
    if (label === undefined)
      fail(
        `${join(folder, name)}: must be a class that there are training pictures of, got another ` +
          `(classes are ${[...order.keys()].slice(0, 5).join(', ')}, …)`,
      )
    const before = entries.length
    walk(folder, name, label, { entries, others }, 0)
    if (!(entries.length > before))
      fail(`${join(folder, name)}: must hold jpg or png pictures, got none`)
    const count = entries.length - before
    for (let i = 0; i < count; i++) places.push((i + 0.5) / count)
  }
  if (others.length > 0)
    warn(
      `${folder}: ${others.length} pictures are left out, such as ${others[0]}: only jpg and png ` +
        'are read; convert them',
      'SPIKEWASM_PICTURES',
    )
  return entries
    .map((_, i) => i)
    .sort((a, b) => places[a] - places[b] || a - b)
    .map((i) => entries[i])
}

function walk(
  folder: string,
  below: string,
  label: number,
  into: { readonly entries: FileEntry[]; readonly others: string[] },
  depth: number,
): void {
  const { entries, others } = into
  const inside = join(folder, below)
  const found = readdirSync(inside, { withFileTypes: true })
  found.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const entry of found) {
    if (kindOfEntry(inside, entry) === 'folder') {
      if (!(depth < DEEPEST)) fail(`${inside}: must have at most ${DEEPEST} folders below a class`)
      if (!entry.name.startsWith('.'))
        walk(folder, `${below}/${entry.name}`, label, into, depth + 1)
    } else if (isPicture(entry.name)) entries.push(entryOf(folder, `${below}/${entry.name}`, label))
    else if (isOther(entry.name)) others.push(`${below}/${entry.name}`)
  }
  if (!(entries.length <= MOST_FILES))
    fail(`${folder}: must hold at most ${MOST_FILES} pictures, got more`)
}

/** What both parts of a data set share. */
export interface Shared {
  readonly folder: string
  readonly title: string
  readonly checked: CheckedPictures
  readonly classNames: readonly string[]
}

type Part = readonly [folder: string, entries: readonly FileEntry[]]

/** @throws SpikewasmError where the size of a sample is not known, or decoders are missing */
export async function splitOf(
  shared: Shared,
  train: Part,
  test: Part,
): Promise<Split<LabelledData>> {
  await loadCodecs()
  const { title, checked } = shared
  const crop = checked.crop ?? sizeOfFirst(checked, train)
  const make = ([folder, entries]: Part, part: string): LabelledData => {
    const { size, channels, normalization, training } = checked
    const files = tableOf(folder, entries)
    const facts = entries.map(({ path, bytes, changed }) => `${path} ${bytes} ${changed}`)
    const how = JSON.stringify({ size, crop, channels })
    const key = cacheKey([how, ...facts])
    const keeps = typeof size === 'object' || !(part === 'train' && training.resizedCrop)
    const [height, width] = typeof size === 'object' ? size : crop
    const of = { title: part, key, samples: entries.length, size: height * width * channels }
    const plain: PlainPictures = {
      kind: 'pictures',
      name: `${shared.folder} ${part}`,
      files,
      channels,
      crop,
      size,
      alike: checked.crop === undefined && typeof size !== 'object',
      classes: shared.classNames.length,
      classNames: shared.classNames,
      normalization,
      training: part === 'train' ? training : {},
      cache: checked.cache !== undefined && keeps ? { folder: checked.cache, ...of } : undefined,
    }
    if (entries.length === 0) fail(`${title}: ${folder} must hold pictures, got none`)
    return openPictures(plain)
  }
  return { train: make(train, 'train'), test: make(test, 'test') }
}

/** [H, W] of the first picture, where all have one size. */
function sizeOfFirst({ size }: CheckedPictures, [folder, entries]: Part): [number, number] {
  if (typeof size === 'object') return [size[0], size[1]]
  const path = join(folder, pathOf(tableOf(folder, entries.slice(0, 1)), 0))
  const picture = toChannels(decodePicture(readFileSync(path), path), 3)
  const { height, width } = size === undefined ? picture : resizeTo(picture, size)
  if (size !== undefined && height !== width)
    fail(
      `size ${size} is that of the shorter side, and pictures such as ${path} become ${height} × ` +
        `${width}; give crop too, or size: [${size}, ${size}]`,
    )
  return [height, width]
}
