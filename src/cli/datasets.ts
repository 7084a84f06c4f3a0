/** Data sets by name, with the default options of training for each. */

import { availableParallelism } from 'node:os'
import type { EventDatasetOptions } from '../data/events/options.js'
import {
  type AugmentOptions,
  augment,
  cifarAugmentation,
  type Dataset,
  encoders,
  datasets as loaders,
  type Split,
  subset,
} from '../data/index.js'
import { expect } from '../errors.js'
import type { ModelName } from '../models/registry.js'
import type { Shape } from '../nn/value.js'
import { type EventArguments, eventOptionsOf, expectNoEvents } from './event-options.js'
import { withFiles } from './mistakes.js'

interface Entry {
  /** What `--data` names; absent for data in the package. */
  readonly source?: string
  /** @param options of recordings alone */
  readonly load: (path: string, options: EventDatasetOptions) => Split | Promise<Split>
  /** Of recordings: pixels that frames are moved by in training. */
  readonly events?: { readonly shift?: number }
  /** The network, unless --model says otherwise; default: cnn. */
  readonly model?: ModelName
  /** [C, H, W] of the data set as published, for `info`. */
  readonly shape: Shape
  readonly classes: number
  /** What `--augment` does; absent where it is not offered. */
  readonly augmentation?: AugmentOptions
  readonly defaults: Defaults
  /** More threads than this are not faster; absent where all processors help. */
  readonly maxThreads?: number
}

interface Defaults {
  readonly epochs: number
  readonly batchSize: number
  readonly lr: number
  readonly weightDecay: number
}

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

const eventLike = {
  events: {},
  model: 'eventCnn',
  defaults: { epochs: 40, batchSize: 20, lr: 0.2, weightDecay: 5e-4 },
} as const

export const datasets = {
  digits: {
    load: () => loaders.digits(),
    shape: [1, 8, 8],
    classes: 10,
    defaults: { epochs: 30, batchSize: 32, lr: 0.2, weightDecay: 5e-4 },
    maxThreads: 2,
  },
  mnist: { ...mnistLike, load: loaders.mnist },
  'fashion-mnist': { ...mnistLike, load: loaders.fashionMnist },
  cifar10: {
    ...cifarLike,
    source: 'cifar-10-binary.tar.gz or its folder',
    classes: 10,
    load: loaders.cifar10,
  },
  cifar100: {
    ...cifarLike,
    source: 'cifar-100-binary.tar.gz or its folder',
    classes: 100,
    load: loaders.cifar100,
  },
  nmnist: {
    ...eventLike,
    source: 'the folder with Train/<label>/*.bin and Test/<label>/*.bin',
    shape: [2, 34, 34],
    classes: 10,
    events: { shift: 2 },
    load: loaders.nmnist,
  },
  'cifar10-dvs': {
    ...eventLike,
    source: 'the folder with <class>/*.aedat',
    shape: [2, 128, 128],
    classes: 10,
    load: loaders.cifar10Dvs,
  },
  'dvs-gesture': {
    ...eventLike,
    source: 'the folder with trials_to_train.txt, recordings and their labels',
    shape: [2, 128, 128],
    classes: 11,
    load: loaders.dvsGesture,
  },
} satisfies Record<string, Entry>

export type DatasetName = keyof typeof datasets

export const datasetNames = Object.keys(datasets) as DatasetName[]

/** A default, for --help: `digits 30, mnist 3, …`, or one number where all agree. */
export function describeDefault(key: keyof Defaults): string {
  const values = new Set(datasetNames.map((name) => datasets[name].defaults[key]))
  if (values.size === 1) return String([...values][0])
  return datasetNames.map((name) => `${name} ${datasets[name].defaults[key]}`).join(', ')
}

/** What `--data` names, for --help, with the data sets it is for in brackets. */
export function describeSources(): string {
  const users = new Map<string, DatasetName[]>()
  for (const name of datasetNames) {
    const { source }: Entry = datasets[name]
    if (source !== undefined) users.set(source, [...(users.get(source) ?? []), name])
  }
  return [...users].map(([source, names]) => `${source} (${names.join(', ')})`).join('; ')
}

/** Threads unless --threads says otherwise. */
export function defaultThreads(name: DatasetName): number {
  const { maxThreads = Number.POSITIVE_INFINITY }: Entry = datasets[name]
  return Math.min(maxThreads, availableParallelism())
}

export interface DataArguments extends EventArguments {
  readonly dataset: DatasetName
  /** Path that `--data` gives. */
  readonly data?: string
  readonly limitTrain?: number
  readonly limitTest?: number
  readonly augment?: boolean
  /** Frames of a recording, or of what an encoder makes. */
  readonly timeSteps?: number | readonly number[]
}

/** The network for a data set, unless --model says otherwise. */
export const defaultModel = (name: DatasetName): ModelName => {
  const { model = 'cnn' }: Entry = datasets[name]
  return model
}

/**
 * Loads a data set as the options say.
 *
 * @throws SpikewasmError when `--data` is missing or superfluous, files are missing or damaged, or
 *   augmentation is not offered
 */
export async function loadData(args: DataArguments): Promise<Split> {
  const { dataset: name, data, limitTrain, limitTest, augment: augmented } = args
  const entry: Entry = datasets[name]
  const { timeSteps: asked } = args
  const timeSteps = typeof asked === 'object' ? framesOf(name, entry, args, asked) : asked
  if (!entry.events) expectNoEvents(args, name)
  expect(
    !entry.events || args.encoder === undefined,
    () => `--encoder must be left out for --dataset ${name}, whose samples are frames already`,
  )
  const options = entry.events ? eventOptionsOf(args, timeSteps, entry.events) : {}
  expect(
    entry.source === undefined || data !== undefined,
    () => `--data must be ${entry.source} for --dataset ${name}, got none`,
  )
  expect(
    entry.source !== undefined || data === undefined,
    () =>
      `--data must be left out for --dataset ${name}, which comes with the package, got ` +
      `${JSON.stringify(data)}; name its data set with --dataset`,
  )
  expect(
    !augmented || entry.augmentation !== undefined,
    () =>
      `--augment must be left out for --dataset ${name}; it is for ${augmentable().join(' and ')}`,
  )
  return withFiles(async () => {
    const { train, test } = await entry.load(data ?? '', options)
    const limited = (part: Dataset, limit: number | undefined): Dataset =>
      limit === undefined ? part : subset(part, limit)
    const training = limited(train, limitTrain)
    const still = {
      train: augmented && entry.augmentation ? augment(training, entry.augmentation) : training,
      test: limited(test, limitTest),
    }
    const { encoder } = args
    if (encoder === undefined) return still
    const encode = (part: Dataset): Dataset =>
      encoders[encoder](part, { timeSteps: timeSteps ?? TIME_STEPS })
    return { train: encode(still.train), test: encode(still.test) }
  })
}

/** Of a list of time steps, where samples are frames: their number. */
function framesOf(
  name: DatasetName,
  entry: Entry,
  { encoder }: DataArguments,
  list: readonly number[],
): number | undefined {
  if (!entry.events && encoder === undefined) return undefined
  expect(
    list.length === 1,
    () =>
      `--time-steps must be one number where samples are frames (--dataset ${name}), got ` +
      list.join(','),
  )
  return list[0]
}

/** T unless --time-steps says otherwise, for data without frames. */
const TIME_STEPS = 4

/**
 * What a model is compiled with for some data: data of frames say themselves how many there are.
 *
 * @param asked what --time-steps says
 * @throws SpikewasmError when it asks for others
 */
export function stepsFor(
  { name, timeSteps }: Dataset,
  asked: number | undefined,
  otherwise = TIME_STEPS,
): { timeSteps: number; frames?: true } {
  if (timeSteps === undefined) return { timeSteps: asked ?? otherwise }
  expect(
    asked === undefined || asked === timeSteps,
    () =>
      `--time-steps must be ${timeSteps}, the frames of a sample of ${name}, or left out, got ` +
      asked,
  )
  return { timeSteps, frames: true }
}

/** Names of the data sets that `--augment` is for. */
export function augmentable(): string[] {
  return datasetNames.filter((name) => 'augmentation' in datasets[name])
}
