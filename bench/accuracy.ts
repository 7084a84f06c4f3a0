/**
 * Time to accuracy: the same network trained by us and by the official code on real images, with
 * the same initial weights, order of images, recipe and number of threads.
 */

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../src/base/errors.js'
import { watchOthers } from '../src/bench/conditions.js'
import { describeRates } from '../src/bench/networks.js'
import { digits, percent } from '../src/bench/report.js'
import { type Dataset, datasets, permutation, type Split, subset } from '../src/data/index.js'
import { cosine, sgd } from '../src/index.js'
import { compile } from '../src/model/compile.js'
import { type ModelFactory, type ModelName, models } from '../src/model/models/registry.js'
import { sizeOf } from '../src/network/value.js'
import { describeOthers } from './beside.js'
import { type AccuracyChart, accuracySvg } from './chart.js'
import { checkOfficial, linesOfCode } from './official-code.js'
import type { BenchOptions } from './options.js'
import { type Section, withFolder } from './section.js'

const SVG = 'accuracy.svg'
const SEED = 0
const TIME_STEPS = 4
const TARGET = 0.88
const LEARNING_RATE = 0.1
const WEIGHT_DECAY = 5e-4

/** Where the Debian package dataset-fashion-mnist puts its files. */
const FASHION_FOLDER = '/usr/share/datasets/fashion-mnist'

const QUICK = { epochs: 2, train: 2000, test: 1000 }

/** A network and its images; the recipe is that of `spikewasm train` without augmentation. */
interface Task {
  readonly title: string
  readonly model: ModelName
  readonly batch: number
  readonly epochs: number
  readonly split: Split
}

/** An epoch of either side. */
export interface Epoch {
  /** Of training and of the evaluation behind it. */
  readonly trainSeconds: number
  readonly testSeconds: number
  /** Mean cross entropy of the epoch. */
  readonly trainLoss: number
  /** Of the first batch, before its parameters' step. */
  readonly firstLoss: number
  readonly testAccuracy: number
}

async function fashionMnist({ fashion = FASHION_FOLDER }: BenchOptions): Promise<Split> {
  const name = join(fashion, 'train-images-idx3-ubyte')
  if (!existsSync(name) && !existsSync(`${name}.gz`))
    fail(
      'bench.fashion must be the folder with train-images-idx3-ubyte.gz and its three companions ' +
        `of Fashion-MNIST, got ${fashion}; get them by ` +
        'apt-get install dataset-fashion-mnist or from ' +
        'https://github.com/zalandoresearch/fashion-mnist',
    )
  return datasets.fashionMnist(fashion)
}

async function chooseTasks(options: BenchOptions): Promise<Task[]> {
  const { quick, data, model } = options
  const chosen = (name: ModelName): boolean => model === undefined || model === name
  if (model !== undefined && model !== 'cnn' && model !== 'vgg11')
    fail(`bench.model must be cnn or vgg11 for accuracy, got ${JSON.stringify(model)}`)
  if (model === 'vgg11' && data === undefined)
    fail(
      'bench.data must be cifar-10-binary.tar.gz or its folder for vgg11, got none; get it by ' +
        'curl -O https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz',
    )
  const tasks: Task[] = []
  const epochs = (usual: number): number => options.epochs ?? (quick ? QUICK.epochs : usual)
  if (chosen('cnn')) {
    const split = limited(await fashionMnist(options), options)
    tasks.push({ title: 'Fashion-MNIST, cnn', model: 'cnn', batch: 64, epochs: epochs(5), split })
  }
  if (data !== undefined && chosen('vgg11')) {
    const split = limited(await datasets.cifar10(data), options)
    tasks.push({ title: 'CIFAR-10, vgg11', model: 'vgg11', batch: 128, epochs: epochs(10), split })
  }
  return tasks
}

function limited({ train, test }: Split, { quick, limit }: BenchOptions): Split {
  const few = (data: Dataset, most: number | undefined): Dataset =>
    most === undefined ? data : subset(data, most)
  return {
    train: few(train, limit ?? (quick ? QUICK.train : undefined)),
    test: few(test, limit ?? (quick ? QUICK.test : undefined)),
  }
}

/** Rows of a label and C·H·W bytes, as official.py reads them. */
export function packImages({ length, shape, pixels }: Dataset): Uint8Array {
  const size = sizeOf(shape)
  const sample = new Uint8Array(size)
  const out = new Uint8Array(length * (1 + size))
  for (let n = 0, at = 0; n < length; n++) {
    out[at++] = pixels!.read(n, sample)
    out.set(sample, at)
    at += size
  }
  return out
}

/** Trains ours, and leaves its initial weights in a file. */
async function trainOurs(task: Task, threads: number, weights: string) {
  const { model: name, batch: batchSize, epochs, split } = task
  const { train, test } = split
  const factory: ModelFactory = models[name]
  const model = await compile(factory(train.shape, train.classes), {
    input: train.shape,
    timeSteps: TIME_STEPS,
    batchSize,
    threads,
    seed: SEED,
  })
  try {
    await model.save(weights)
    const records: Epoch[] = []
    let firstLoss = Number.NaN
    let rates: Readonly<Record<string, number>> = {}
    let began = performance.now()
    await model.fit(train, {
      epochs,
      optimizer: sgd({ lr: LEARNING_RATE, weightDecay: WEIGHT_DECAY, decay: 'weights' }),
      schedule: cosine(),
      onStep: ({ step, loss }) => {
        if (step === 0) firstLoss = loss
      },
      onEpoch: async ({ trainLoss, firingRates }) => {
        const trained = performance.now()
        const { accuracy } = await model.evaluate(test)
        const tested = performance.now()
        rates = firingRates
        records.push({
          trainSeconds: (trained - began) / 1000,
          testSeconds: (tested - trained) / 1000,
          trainLoss,
          firstLoss,
          testAccuracy: accuracy ?? 0,
        })
        began = performance.now()
      },
    })
    return { epochs: records, rates }
  } finally {
    await model.dispose()
  }
}

function trainTheirs(task: Task, options: BenchOptions, folder: string, weights: string) {
  const { model, batch, epochs, split } = task
  const { train, test } = split
  const orders = Array.from({ length: epochs }, (_, epoch) =>
    permutation(train.length, SEED, epoch),
  )
  const order = join(folder, 'order')
  writeFileSync(order, Buffer.concat(orders.map((one) => Buffer.from(one.buffer))))
  writeFileSync(join(folder, 'train.bin'), packImages(train))
  writeFileSync(join(folder, 'test.bin'), packImages(test))
  const { mean, std } = train.pixels!.normalization
  const settings = {
    ...{ model, method: 'rate', input: train.shape, batch, 'time-steps': TIME_STEPS, epochs },
    ...{ lr: LEARNING_RATE, data: folder, mean, std, weights, order },
  }
  const lines = linesOfCode<Epoch & { processorMs: number }>('official', options, 'train', settings)
  return { epochs: lines.slice(0, -1), processorMs: lines.at(-1)!.processorMs }
}

/** Seconds of training behind each epoch. */
export function trainingTimes(epochs: readonly Epoch[]): number[] {
  let seconds = 0
  return epochs.map(({ trainSeconds }) => {
    seconds += trainSeconds
    return seconds
  })
}

/** Seconds of training up to the first epoch that ends at least at `accuracy`. */
export function timeTo(epochs: readonly Epoch[], accuracy: number): number | undefined {
  const first = epochs.findIndex(({ testAccuracy }) => testAccuracy >= accuracy)
  return first < 0 ? undefined : trainingTimes(epochs)[first]
}

/** The lower of the accuracies behind the last epoch: both sides reach it. */
export const commonAccuracy = (...sides: (readonly Epoch[])[]): number =>
  Math.min(...sides.map((epochs) => epochs[epochs.length - 1].testAccuracy))

const exactPercent = (fraction: number): string => `${(100 * fraction).toFixed(2)} %`

/** Both sides of a task. */
const runTask = (task: Task, options: BenchOptions) =>
  withFolder(async (folder) => {
    const weights = join(folder, 'start.safetensors')
    let others = watchOthers()
    const { epochs: ours, rates } = await trainOurs(task, options.threads, weights)
    const beside = others()
    others = watchOthers()
    const { epochs: theirs, processorMs } = trainTheirs(task, options, folder, weights)
    return { ours, theirs, rates, others: [beside, others(processorMs)] }
  })

const threadsText = (threads: number): string =>
  `${threads} ${threads === 1 ? 'thread' : 'threads'}`

function addTables(
  section: Section,
  { title, batch, epochs, split }: Task,
  torch: string,
  { ours, theirs, rates, others }: Awaited<ReturnType<typeof runTask>>,
): void {
  const { threads, quick } = section.options
  const seconds = [trainingTimes(ours), trainingTimes(theirs)]
  section.table(
    `Time to accuracy: ${title}, beside the official code on PyTorch ${torch}`,
    [
      `${split.train.length} images to train and ${split.test.length} to test with, T ` +
        `${TIME_STEPS}, batch ${batch}, ${epochs} epochs, ${threadsText(threads)} each; rate m. ` +
        'Same initial weights, same order of images, no augmentation; SGD with momentum 0.9, ' +
        `learning rate ${LEARNING_RATE} along a cosine, weight decay ${WEIGHT_DECAY} of weights.` +
        (quick ? ' Quick: a part of the images.' : ''),
      's: of training, evaluations left out. first loss: of the first batch of an epoch; that ' +
        'of the first epoch shows that both begin alike. Roundings differ, so the curves part; in ' +
        'a deep network they flip a few spikes of the first batch already.',
      `Other processes took of the processors ${describeOthers(others[0])} during ours, ` +
        `${describeOthers(others[1])} during theirs. ` +
        `rate: ${describeRates(rates)} spikes per neuron and step in our last epoch.`,
    ],
    [
      ['epoch', ({ i }) => String(i + 1)],
      ['ours s', ({ i }) => digits(seconds[0][i])],
      ['theirs s', ({ i }) => digits(seconds[1][i])],
      ['ours accuracy', ({ epoch }) => exactPercent(epoch.testAccuracy)],
      ['theirs accuracy', ({ their }) => exactPercent(their.testAccuracy)],
      ['ours loss', ({ epoch }) => epoch.trainLoss.toFixed(3)],
      ['theirs loss', ({ their }) => their.trainLoss.toFixed(3)],
      ['ours first loss', ({ epoch }) => epoch.firstLoss.toFixed(4)],
      ['theirs first loss', ({ their }) => their.firstLoss.toFixed(4)],
    ],
    ours.map((epoch, i) => ({ i, epoch, their: theirs[i] })),
  )
  addSummary(section, title, ours, theirs)
}

/** Seconds of training to an accuracy, and of all epochs. */
function addSummary(
  section: Section,
  title: string,
  ours: readonly Epoch[],
  theirs: readonly Epoch[],
): void {
  const { threads, svg, data } = section.options
  const common = commonAccuracy(ours, theirs)
  const sum = (epochs: readonly Epoch[], key: 'trainSeconds' | 'testSeconds'): number =>
    epochs.reduce((total, epoch) => total + epoch[key], 0)
  const lines: readonly [
    what: string,
    seconds: (epochs: readonly Epoch[]) => number | undefined,
  ][] = [
    [`to ${percent(TARGET)}`, (of) => timeTo(of, TARGET)],
    [`to ${exactPercent(common)}, the lower last accuracy`, (of) => timeTo(of, common)],
    ['all epochs', (of) => sum(of, 'trainSeconds')],
    ['evaluations', (of) => sum(of, 'testSeconds')],
  ]
  const text = (value: number | undefined): string =>
    value === undefined ? 'not reached' : digits(value)
  section.table(
    `Seconds of training: ${title}`,
    [
      'An accuracy is known at the end of an epoch alone: the first that is high enough counts.',
      `Both curves: ${svg ?? SVG}.`,
      ...(data === undefined
        ? ['Left out: CIFAR-10 and vgg11, for want of --data cifar-10-binary.tar.gz or its folder.']
        : []),
    ],
    [
      ['what', ({ what }) => what],
      ['ours s', ({ a }) => text(a)],
      ['theirs s', ({ b }) => text(b)],
      ['ratio', ({ a, b }) => (a === undefined || b === undefined ? '–' : (a / b).toFixed(2))],
    ],
    lines.map(([what, seconds]) => ({ what, a: seconds(ours), b: seconds(theirs) })),
  )
  for (const [who, epochs] of [
    ['spikewasm', ours],
    ['official code', theirs],
  ] as const)
    for (const [what, accuracy] of [
      [percent(TARGET), TARGET],
      ['the lower last accuracy', common],
    ] as const) {
      const name = `accuracy | ${title} | threads ${threads} | to ${what} | ${who}`
      const value = timeTo(epochs, accuracy)
      if (value !== undefined) section.entry(name, 's', value, [`to ${exactPercent(accuracy)}`])
    }
}

const pointsOf = (epochs: readonly Epoch[]) =>
  trainingTimes(epochs).map((seconds, i) => [seconds, epochs[i].testAccuracy] as const)

/**
 * Trains both sides and writes the chart to `--svg`.
 * @throws SpikewasmError that says how to get code or images that are missing
 */
export async function benchAccuracy(section: Section): Promise<void> {
  const { options, progress } = section
  const { torch } = checkOfficial(options)
  const { threads, svg = SVG } = options
  const charts: AccuracyChart[] = []
  for (const task of await chooseTasks(options)) {
    progress(`accuracy ${task.title}`)
    const result = await runTask(task, options)
    addTables(section, task, torch, result)
    charts.push({
      title: `${task.title}, ${threadsText(threads)}`,
      target: TARGET,
      curves: [
        { name: 'spikewasm', points: pointsOf(result.ours) },
        { name: 'official code', points: pointsOf(result.theirs) },
      ],
    })
  }
  writeFileSync(svg, accuracySvg(charts))
}
