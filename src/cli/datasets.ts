/** Data sets by name, with the default options of training for each. */

import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { EventDatasetOptions } from '../data/events/options.js'
import {
  type AugmentOptions,
  cifarAugmentation,
  type Dataset,
  datasets as loaders,
  type Split,
} from '../data/index.js'
import type { ModelName } from '../model/models/registry.js'
import type { InputShape } from '../network/value.js'

export interface Entry {
  /** What `--data` names; absent for data in the package. */
  readonly source?: string
  readonly load: (path: string, options: LoadOptions) => Split | Promise<Split>
  /** Whether `--image-size` and `--cache` are for it. */
  readonly pictures?: true
  /** Whether `--train-share` is for it. */
  readonly shares?: true
  /** Whether `--cache` is for it. */
  readonly cached?: true
  /** Samples are recordings; `shift`: pixels that frames are moved by in training. */
  readonly events?: { readonly shift?: number }
  /** Samples are frames: how many, unless --time-steps says otherwise. */
  readonly frames?: number
  /** The network, unless --model says otherwise; default: cnn. */
  readonly model?: ModelName
  /** Sizes of a sample of the data set as published, for `info`. */
  readonly shape: InputShape
  readonly classes: number
  /** Whether a folder says how many classes there are, and `classes` is one of many. */
  readonly anyClasses?: true
  /** What `--augment` does to bytes. */
  readonly augmentation?: AugmentOptions
  /** What its pictures are resized to, by `--image-size`, before their middle is cut out. */
  readonly sized?: (side: number | undefined) => number | readonly [number, number] | undefined
  /** Whether its loader knows what `--augment` does. */
  readonly moves?: true
  readonly defaults: Defaults
  /** What bytes are divided by; default 255. */
  readonly scale?: number
  /** More threads than this are not faster; absent where all processors help. */
  readonly maxThreads?: number
}

/** What a loader takes of the command line's options. */
interface LoadOptions {
  /** Side of a picture, in pixels. */
  readonly imageSize?: number
  /** Folder for converted pictures. */
  readonly cache?: string
  /** Whether training pictures change. */
  readonly augment?: boolean
  /** The share of a folder of classes alone that is for training. */
  readonly trainShare?: number
  /** How recordings are cut and changed. */
  readonly events: EventDatasetOptions
  /** Frames of a sample. */
  readonly timeSteps?: number
}

type Defaults = Readonly<Record<'epochs' | 'batchSize' | 'lr' | 'weightDecay', number>>

const idxFiles = 'the folder with train-images-idx3-ubyte.gz and its three companions'
const mnistLike = {
  source: idxFiles,
  shape: [1, 28, 28],
  classes: 10,
  defaults: { epochs: 3, batchSize: 64, lr: 0.1, weightDecay: 5e-4 },
} as const
const cifarLike = {
  shape: [3, 32, 32],
  augmentation: cifarAugmentation,
  defaults: { epochs: 20, batchSize: 128, lr: 0.1, weightDecay: 5e-4 },
} as const

/** Frames of `size` by `size` pixels. */
const ofEvents = (
  source: string,
  size: number,
  classes: number,
  load: Entry['load'],
  more: Partial<Entry> = {},
): Entry => ({
  source,
  shape: [2, size, size],
  classes,
  load,
  events: {},
  frames: 10,
  model: 'eventCnn',
  defaults: { epochs: 40, batchSize: 20, lr: 0.2, weightDecay: 5e-4 },
  ...more,
})

/** Spoken words, as spikes of 700 units that are added up by fives. */
const ofSpeech = (prefix: 'shd' | 'ssc', classes: number) => ({
  source: `the folder with ${prefix}_train.h5 and ${prefix}_test.h5`,
  shape: [140] as const,
  classes,
  load: (path: string, { timeSteps }: LoadOptions) =>
    loaders[prefix](path, timeSteps === undefined ? {} : { timeSteps }),
  frames: 100,
  model: 'mlp' as const,
  defaults: { epochs: 40, batchSize: 64, lr: 0.1, weightDecay: 5e-4 },
})

/** Share of the picture that the middle of ImageNet's is. */
const MIDDLE = 224 / 256
const IMAGENET_SIZE = 224

const squareOf = (side: number | undefined) => (side ? ([side, side] as const) : undefined)
/** The shorter side of a picture, of whose middle a sample is cut. */
const shorterOf = (side = IMAGENET_SIZE): number => Math.round(side / MIDDLE)

const known = {
  digits: {
    load: () => loaders.digits(),
    shape: [1, 8, 8],
    classes: 10,
    scale: 16,
    defaults: { epochs: 30, batchSize: 32, lr: 0.2, weightDecay: 5e-4 },
    maxThreads: 2,
  },
  mnist: { ...mnistLike, load: (path) => loaders.mnist(path) },
  'fashion-mnist': { ...mnistLike, load: (path) => loaders.fashionMnist(path) },
  cifar10: {
    ...cifarLike,
    source: 'cifar-10-binary.tar.gz, its folder, or one of jpg files',
    classes: 10,
    cached: true,
    load: (path, { cache }) => loaders.cifar10(path, { cache }),
  },
  cifar100: {
    ...cifarLike,
    source: 'cifar-100-binary.tar.gz or its folder',
    classes: 100,
    load: (path) => loaders.cifar100(path),
  },
  images: {
    anyClasses: true,
    source: 'a folder with train/<class>/*.jpg and val/ or test/ likewise, or <class>/*.jpg alone',
    pictures: true,
    shares: true,
    sized: squareOf,
    load: (path, { imageSize, cache, trainShare }) =>
      loaders.imageFolder(path, { cache, trainShare, size: squareOf(imageSize) }),
    shape: [3, 32, 32],
    classes: 10,
    augmentation: { crop: 4, flip: true },
    defaults: { epochs: 20, batchSize: 64, lr: 0.1, weightDecay: 5e-4 },
  },
  imagenet: {
    anyClasses: true,
    source: 'the folder with train/<synset>/*.JPEG and val/',
    pictures: true,
    sized: shorterOf,
    load(path, { imageSize: crop = IMAGENET_SIZE, cache, augment: moves = false }) {
      const size = shorterOf(crop)
      return loaders.imageNet(path, { size, crop, cache, randomResizedCrop: moves, flip: moves })
    },
    shape: [3, IMAGENET_SIZE, IMAGENET_SIZE],
    classes: 1000,
    moves: true,
    defaults: { epochs: 90, batchSize: 64, lr: 0.1, weightDecay: 1e-4 },
  },
  nmnist: ofEvents(
    'the folder with Train/<label>/*.bin and Test/<label>/*.bin',
    34,
    10,
    (path, { events }) => loaders.nmnist(path, events),
    { events: { shift: 2 } },
  ),
  'cifar10-dvs': ofEvents('the folder with <class>/*.aedat', 128, 10, (path, { events }) =>
    loaders.cifar10Dvs(path, events),
  ),
  'dvs-gesture': ofEvents(
    'the folder with trials_to_train.txt, recordings and their labels',
    128,
    11,
    (path, { events }) => loaders.dvsGesture(path, events),
  ),
  events: ofEvents(
    'a folder of recordings, train/<class>/* and test/<class>/*, or <class>/*',
    128,
    10,
    (path, { events, trainShare }) => loaders.eventFolder(path, { ...events, trainShare }),
    { anyClasses: true, shares: true },
  ),
  shd: ofSpeech('shd', 20),
  ssc: ofSpeech('ssc', 35),
} satisfies Record<string, Entry>

export type DatasetName = keyof typeof known

export const datasets: Readonly<Record<DatasetName, Entry>> = known

export const datasetNames = Object.keys(datasets) as DatasetName[]

/** A default, for --help: `digits 30, mnist 3, …`, or one number where all agree. */
export function describeDefault(key: keyof Defaults): string {
  const values = new Set(datasetNames.map((name) => datasets[name].defaults[key]))
  if (values.size === 1) return String([...values][0])
  return datasetNames.map((name) => `${name} ${datasets[name].defaults[key]}`).join(', ')
}

/** What `--data` names, for --help, with the data sets it is for in brackets. */
export function describeSources(): string {
  const sources = new Set(datasetNames.map((name) => datasets[name].source ?? ''))
  sources.delete('')
  const usersOf = (source: string) =>
    datasetNames.filter((name) => datasets[name].source === source).join(', ')
  return [...sources].map((source) => `${source} (${usersOf(source)})`).join('; ')
}

/** Threads unless --threads says otherwise. */
export const defaultThreads = (name: DatasetName): number =>
  Math.min(datasets[name].maxThreads ?? Number.POSITIVE_INFINITY, availableParallelism())

/**
 * A worker's folder for converted samples, where a data set has use for one.
 *
 * @param path where the data set is
 */
export function cacheFor(
  name: DatasetName,
  cache: string | undefined,
  path: string | undefined,
): string | undefined {
  const { pictures, cached, events } = datasets[name]
  // Those in binary files are read once.
  const isFolder = cached && path !== undefined && existsSync(join(path, 'train', 'airplane'))
  return pictures || events || isFolder ? cache : undefined
}

/** The network for a data set, unless --model says otherwise. */
export const defaultModel = (name: DatasetName): ModelName => datasets[name].model ?? 'cnn'

/** Classes of a data set as published, or of its folder. */
export const classesOf = (name: DatasetName, part: Dataset): number =>
  (datasets[name].anyClasses ? part : datasets[name]).classes

/** What bytes of its samples are divided by, before mean and deviation. */
export const scaleOf = (name: DatasetName = 'images'): number => datasets[name].scale ?? 255

/** Whether its samples are recordings. */
export const isOfEvents = (name: DatasetName): boolean => datasets[name].events !== undefined

/** Names of the data sets that have one of some fields. */
export const namesWith = (...keys: (keyof Entry)[]): DatasetName[] =>
  datasetNames.filter((name) => keys.some((key) => key in datasets[name]))
