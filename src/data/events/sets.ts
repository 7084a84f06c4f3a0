/** Data sets of recordings as they are published, and folders of recordings (Node). */

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { checkOptions, checkPath, describe, fail, listNames } from '../../base/errors.js'
import { explainRead, kindOfEntry, linesOf, readFileClear } from '../../files/files.js'
import { type LabelledData, type Split, wholeSplit } from '../datasets/dataset.js'
import { eventEndings } from '../recordings/parse.js'
import { refuse, type Sensor } from '../recordings/recording.js'
import { checkEvents, type EventDatasetOptions, eventKeys } from './options.js'
import { parseFile, readBytesSync } from './read.js'
import { type EventSample, type EventSet, openEvents } from './source.js'

const isRecording = (name: string): boolean =>
  Object.hasOwn(eventEndings, /\.([a-z0-9]{1,10})$/i.exec(name)?.[1].toLowerCase() ?? '')

/** Names in a folder, sorted as Python sorts them; '.'-names are left out. */
async function namesIn(folder: string): Promise<{ folders: string[]; files: string[] }> {
  try {
    const entries = await readdir(folder, { withFileTypes: true })
    const pick = (kind: 'folder' | 'file'): string[] =>
      entries
        .filter((entry) => !entry.name.startsWith('.') && kindOfEntry(folder, entry) === kind)
        .map(({ name }) => name)
        .sort()
    return { folders: pick('folder'), files: pick('file') }
  } catch (error) {
    fail(`the data must be a folder, got "${folder}": ${await explainRead(error, folder)}`, error)
  }
}

/** What is read for each, one behind the other: of two that fail always the first is named. */
async function inTurn<T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> {
  const found: R[] = []
  for (const item of items) found.push(await read(item))
  return found
}

/** The recordings of each class, in a folder of its name; a part may lack some classes. */
async function recordingsIn(
  title: string,
  folder: string,
  classNames: readonly string[],
): Promise<string[][]> {
  const { folders } = await namesIn(folder)
  const paths = await inTurn(classNames, async (name) => {
    if (!folders.includes(name)) return []
    const { files } = await namesIn(join(folder, name))
    return files.filter(isRecording).map((file) => join(folder, name, file))
  })
  if (!paths.some((of) => of.length > 0))
    fail(`${title}: must find recordings in "${folder}", got none`)
  return paths
}

/**
 * Samples such that the first few lie evenly over the classes: the first of each, then the second
 * of each, and so on.
 */
export function evenly<S extends { readonly label: number }>(samples: readonly S[]): S[] {
  const seen = new Map<number, number>()
  const ranked = samples.map((sample, i) => {
    const rank = seen.get(sample.label) ?? 0
    seen.set(sample.label, rank + 1)
    return { sample, rank, i }
  })
  ranked.sort((a, b) => a.rank - b.rank || a.sample.label - b.sample.label || a.i - b.i)
  return ranked.map(({ sample }) => sample)
}

const samplesOf = (paths: readonly (readonly string[])[]): EventSample[] =>
  evenly(paths.flatMap((of, label) => of.map((path) => ({ path, label }))))

type Set = Pick<EventSet, 'classNames' | 'sensor'> & { readonly title: string }

function split(
  { title, classNames, sensor }: Set,
  train: readonly EventSample[],
  test: readonly EventSample[],
  given: EventDatasetOptions,
): Split<LabelledData> {
  const options = checkEvents(title, given)
  const set = { classes: classNames.length, classNames, sensor, options }
  const open = (part: string, samples: readonly EventSample[]): LabelledData =>
    openEvents({ kind: 'events', name: `${title} ${part}`, samples, ...set })
  return { train: open('train', train), test: open('test', test) }
}

const digits = Array.from({ length: 10 }, (_, i) => String(i))

/** With what N-MNIST has by default: clocks begin at 0, and the last window takes the rest. */
export const nmnistOptions = (given: EventDatasetOptions): EventDatasetOptions =>
  given?.timeWindow === undefined ? given : { startTime: 0, rest: 'last', ...given }

/**
 * N-MNIST: `Train/<label>/*.bin` and `Test/<label>/*.bin`, labels 0 to 9.
 *
 * @throws SpikewasmError naming what is missing
 */
export async function nmnist(
  folder: string,
  given: EventDatasetOptions = {},
): Promise<Split<LabelledData>> {
  const options = nmnistOptions(given)
  const set = { title: 'N-MNIST', classNames: digits, sensor: options?.sensor ?? [34, 34] } as Set
  checkEvents(set.title, options)
  checkPath('N-MNIST folder', folder, 'folder')
  const parts = await inTurn(['Train', 'Test'], (part) =>
    partOf(folder, [part, part.toLowerCase()], set.title),
  )
  const [train, test] = await inTurn(parts, async (path) =>
    samplesOf(await recordingsIn(set.title, path, digits)),
  )
  return split(set, train, test, options)
}

async function partOf(folder: string, names: readonly string[], title: string): Promise<string> {
  const { folders } = await namesIn(folder)
  const name = names.find((each) => folders.includes(each))
  return name === undefined
    ? refuse(`${title} folder`, `hold ${names.join(' or ')}`, `"${folder}" with ${listed(folders)}`)
    : join(folder, name)
}

const listed = (names: readonly string[]): string =>
  names.length === 0 ? 'no folders' : listNames(names)

/** Classes of CIFAR-10. */
export const cifarNames = [
  'airplane',
  'automobile',
  'bird',
  'cat',
  'deer',
  'dog',
  'frog',
  'horse',
  'ship',
  'truck',
]

/**
 * CIFAR10-DVS: `<class>/*.aedat` (AEDAT 2, or 4 as Tonic's copy has). Of each class, in the order
 * of the names, the first nine tenths are for training, as SpikingJelly's `split_to_train_test_set`
 * with 0.9 has it.
 *
 * @throws SpikewasmError naming what is missing
 */
export async function cifar10Dvs(
  folder: string,
  options: EventDatasetOptions = {},
): Promise<Split<LabelledData>> {
  checkEvents('CIFAR10-DVS', options)
  checkPath('CIFAR10-DVS folder', folder, 'folder')
  const { folders } = await namesIn(folder)
  const missing = cifarNames.filter((name) => !folders.includes(name))
  if (missing.length > 0)
    refuse('CIFAR10-DVS folder', 'hold a folder for each class', `none for ${listNames(missing)}`)
  const title = 'CIFAR10-DVS'
  const set = { title, classNames: cifarNames, sensor: options.sensor ?? [128, 128] } as Set
  return shared(set, await recordingsIn(title, folder, cifarNames), 0.9, options)
}

function shared(
  set: Set,
  paths: readonly (readonly string[])[],
  share: number,
  options: EventDatasetOptions,
): Split<LabelledData> {
  const ends = paths.map(({ length }) => Math.ceil(length * share))
  const train = samplesOf(paths.map((of, i) => of.slice(0, ends[i])))
  const test = samplesOf(paths.map((of, i) => of.slice(ends[i])))
  return split(set, train, test, options)
}

const gestures = [
  'hand clapping',
  'right hand wave',
  'left hand wave',
  'right arm clockwise',
  'right arm counter-clockwise',
  'left arm clockwise',
  'left arm counter-clockwise',
  'arm roll',
  'air drums',
  'air guitar',
  'other gestures',
]

/**
 * DVS128 Gesture: `trials_to_train.txt`, `trials_to_test.txt`, and for each name in them an
 * `.aedat` (3.1) with its `_labels.csv` (class 1 to 11, start and end in µs). A row is a sample:
 * the events of start ≤ t < end, as SpikingJelly cuts them.
 *
 * @throws SpikewasmError naming what is missing, or the line that is wrong
 */
export async function dvsGesture(
  folder: string,
  options: EventDatasetOptions = {},
): Promise<Split<LabelledData>> {
  const title = 'DVS128 Gesture'
  checkEvents(title, options)
  checkPath(`${title} folder`, folder, 'folder')
  const set = { title, classNames: gestures, sensor: options.sensor ?? [128, 128] } as Set
  const [train, test] = await inTurn(['train', 'test'], async (part) => {
    const path = join(folder, `trials_to_${part}.txt`)
    const names = linesOf(await readFileClear(path, `${title} trials`), path)
    return evenly((await inTurn(names, (name) => trialsOf(folder, name, path))).flat())
  })
  return split(set, train, test, options)
}

async function trialsOf(folder: string, name: string, list: string): Promise<EventSample[]> {
  if (!/^[\w.-]{1,200}$/.test(name) || !name.endsWith('.aedat'))
    refuse(list, 'hold names of .aedat files', JSON.stringify(name.slice(0, 60)))
  const path = join(folder, name)
  const labels = join(folder, name.replace(/\.aedat$/, '_labels.csv'))
  return parseGestureLabels(await readFileClear(labels, 'labels'), labels).map((row) => ({
    ...row,
    path,
  }))
}

/**
 * Rows `class,startTime_usec,endTime_usec` behind a line of titles.
 *
 * @throws SpikewasmError naming the line that is wrong
 */
export function parseGestureLabels(
  bytes: Uint8Array,
  name: string,
): { readonly label: number; readonly interval: readonly [number, number] }[] {
  return linesOf(bytes, name)
    .slice(1)
    .map((line, i) => {
      const numbers = line
        .split(',')
        .map((part) => (/^\s*\d{1,15}\s*$/.test(part) ? Number(part) : -1))
      const [label, from, to] = numbers
      if (numbers.length !== 3 || label < 1 || label > gestures.length || from < 0 || to < from)
        refuse(
          name,
          `have a class from 1 to ${gestures.length}, a start and an end in each line`,
          `${JSON.stringify(line.slice(0, 60))} in line ${i + 2}`,
        )
      return { label: label - 1, interval: [from, to] as const }
    })
}

/** What `datasets.eventFolder` takes. */
export interface EventFolderOptions extends EventDatasetOptions {
  /** For people and error messages; default 'events'. */
  readonly name?: string
  /**
   * Where there are no folders train and test: the share of each class, from its first name on,
   * that is for training, above 0 and below 1; default 0.9. Where that is all of them, asking for
   * the test part is an error.
   */
  readonly trainShare?: number
}

/**
 * A folder of recordings of any format: `train/<class>/…` and `test/<class>/…` (or `val`), or
 * `<class>/…` alone. Classes are numbered in the order of their names; names that are numbers in
 * that of the numbers. All recordings are of one sensor: that of `sensor`, else of the first.
 *
 * @throws SpikewasmError when the parts do not have the same classes, or there are no recordings
 */
export async function eventFolder(
  folder: string,
  options: EventFolderOptions = {},
): Promise<Split<LabelledData>> {
  checkOptions('eventFolder', options, [...eventKeys, 'name', 'trainShare'])
  const { name: title = 'events', trainShare = 0.9, ...own } = options
  if (typeof title !== 'string') fail('eventFolder.name must be a text')
  if (!(typeof trainShare === 'number' && trainShare > 0 && trainShare < 1))
    fail(`eventFolder.trainShare must be above 0 and below 1, got ${describe(trainShare)}`)
  checkEvents(title, own)
  checkPath('eventFolder.folder', folder, 'folder')
  const { folders } = await namesIn(folder)
  const find = (names: readonly string[]): string | undefined =>
    folders.find((each) => names.includes(each.toLowerCase()))
  const [train, test] = [find(['train']), find(['test', 'val', 'validation'])]
  if (train === undefined || test === undefined) {
    if (folders.length === 0) refuse(title, 'have a folder for each class', `none in "${folder}"`)
    const classNames = inOrder(folders)
    const paths = await recordingsIn(title, folder, classNames)
    const set = { title, classNames, sensor: sensorOf(own.sensor, paths) }
    const split = shared(set, paths, trainShare, own)
    if (split.test.length > 0) return split
    return wholeSplit(split.train, () => {
      const most = Math.max(...paths.map(({ length }) => length))
      fail(
        `eventFolder.trainShare must leave recordings to test with, got ${trainShare} for at ` +
          `most ${most} of a class in ${folder}; make it smaller (--train-share)`,
      )
    })
  }
  const parts = [join(folder, train), join(folder, test)]
  const names = await inTurn(parts, async (path) => inOrder((await namesIn(path)).folders))
  const classNames = names[0]
  const others = names[1].filter((name) => !classNames.includes(name))
  if (others.length > 0)
    refuse(title, `have the classes of ${train} in ${test}`, `${listNames(others)} more`)
  const all = await inTurn(parts, (path) => recordingsIn(title, path, classNames))
  const set = { title, classNames, sensor: sensorOf(own.sensor, all[0]) }
  return split(set, samplesOf(all[0]), samplesOf(all[1]), own)
}

function sensorOf(sensor: Sensor | undefined, paths: readonly (readonly string[])[]): Sensor {
  if (sensor) return sensor
  const [path] = paths.flat()
  const { width, height } = parseFile(readBytesSync(path), path, {})
  return [width, height]
}

function inOrder(names: readonly string[]): string[] {
  const numbers = names.every((name) => /^\d{1,9}$/.test(name))
  return numbers ? names.toSorted((a, b) => Number(a) - Number(b)) : [...names]
}
