/** `spikewasm train` */

import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Split } from '../data/index.js'
import { expect } from '../errors.js'
import { median } from '../median.js'
import type { Model } from '../model.js'
import { type ModelName, models } from '../models/registry.js'
import { compile } from '../network.js'
import { constant, cosine, sgd } from '../optimizer/index.js'
import type { Method, MethodOptions, StepMode } from '../plan/methods.js'
import type { EpochRecord } from '../train/records.js'
import {
  augmentable,
  type DataArguments,
  datasets,
  defaultThreads,
  describeDefault,
  loadData,
} from './datasets.js'
import { listenForInterrupt } from './interrupt.js'
import { withFiles } from './mistakes.js'
import { counting, named, numeric, shared } from './options.js'
import {
  humanReporter,
  jsonReporter,
  peakMemoryMB,
  type Reporter,
  type TrainSummary,
} from './report.js'
import { openRunFolder, type RunOptions, removeIfEmpty, writeRun } from './run-folder.js'
import { packageVersion } from './version.js'

interface TrainArguments extends DataArguments {
  readonly model: ModelName
  readonly method: Method
  readonly stepMode?: StepMode
  readonly update: Required<MethodOptions>['update']
  readonly backwardSteps?: number
  readonly gradientCheckpoint: Required<MethodOptions>['gradientCheckpoint']
  readonly timeSteps: number
  readonly tau: number
  readonly epochs?: number
  readonly batchSize?: number
  readonly lr?: number
  readonly momentum: number
  readonly weightDecay?: number
  readonly schedule: 'cosine' | 'constant'
  readonly threads?: number
  readonly seed: number
  readonly load?: string
  readonly out?: string
  readonly numWorkers?: 0 | 1
  readonly json: boolean
}

export function trainCommand(command: Command): Command {
  return command
    .description(
      'Train a network and test it after each epoch. Without options: the digits that ' +
        'come with the package.',
    )
    .addOption(shared.dataset())
    .addOption(shared.data())
    .addOption(shared.model())
    .addOption(shared.method())
    .addOption(shared.stepMode())
    .addOption(shared.update())
    .addOption(shared.backwardSteps())
    .addOption(shared.gradientCheckpoint())
    .addOption(shared.timeSteps())
    .addOption(shared.tau())
    .addOption(
      counting(
        '--epochs <n>',
        `passes over the training data (default: ${describeDefault('epochs')})`,
      ),
    )
    .addOption(
      numeric('--batch-size <n>', `samples in one step (default: ${describeDefault('batchSize')})`),
    )
    .addOption(numeric('--lr <rate>', `learning rate (default: ${describeDefault('lr')})`))
    .addOption(numeric('--momentum <share>', 'momentum of SGD', 0.9))
    .addOption(
      numeric(
        '--weight-decay <rate>',
        'L2 decay of the weights of convolutions and linear layers (default: ' +
          `${describeDefault('weightDecay')})`,
      ),
    )
    .addOption(
      named('--schedule <name>', 'learning rate over the epochs', ['cosine', 'constant'], 'cosine'),
    )
    .addOption(shared.threads())
    .addOption(
      numeric('--seed <n>', 'seed of initial weights, order of the data and augmentation', 0),
    )
    .addOption(shared.limitTrain())
    .addOption(shared.limitTest())
    .addOption(
      new Option(
        '--augment',
        `crop, flip, AutoAugment and Cutout, for ${augmentable().join(' and ')}`,
      ).default(false),
    )
    .addOption(
      numeric(
        '--num-workers <n>',
        'threads that prepare batches ahead, 0 or 1 (default: 1 where there is enough to prepare)',
      ),
    )
    .addOption(new Option('--load <file>', 'start from the weights in a safetensors file'))
    .addOption(
      new Option(
        '--out <folder>',
        'write weights.safetensors, options.json and history.json after each epoch',
      ),
    )
    .addOption(shared.revectorize())
    .addOption(shared.json())
    .action((args: TrainArguments) => train(args))
}

async function train(args: TrainArguments): Promise<void> {
  const { defaults } = datasets[args.dataset]
  const { lr = defaults.lr, momentum, weightDecay = defaults.weightDecay } = args
  const optimizer = sgd({ lr, momentum, weightDecay, decay: 'weights' })
  const data = await loadData(args)
  const samples = data.train.length
  const {
    epochs = defaults.epochs,
    batchSize = Math.min(defaults.batchSize, samples),
    threads = defaultThreads(args.dataset),
  } = args
  const { tau, method, stepMode, update, backwardSteps, gradientCheckpoint } = args
  const { timeSteps, seed } = args
  const { shape: input, classes } = data.train
  const network = models[args.model](input, classes, { tau })
  const model = await compile(network, {
    input,
    method,
    stepMode,
    update,
    backwardSteps,
    gradientCheckpoint,
    timeSteps,
    batchSize,
    threads,
    seed,
  })
  try {
    expect(
      batchSize <= samples,
      () =>
        `--batch-size must be at most the number of training samples, ${samples}, got ${batchSize}`,
    )
    if (args.load !== undefined) await withFiles(() => model.load(args.load!))
    const options: RunOptions = {
      version: packageVersion(),
      model: args.model,
      dataset: args.dataset,
      data: args.data && resolve(args.data),
      limitTrain: args.limitTrain,
      limitTest: args.limitTest,
      augment: args.augment ?? false,
      input: [...input],
      classes,
      timeSteps,
      tau,
      method,
      stepMode: model.stepMode,
      update,
      backwardSteps: backwardSteps ?? timeSteps,
      gradientCheckpoint,
      epochs,
      batchSize,
      lr,
      momentum,
      weightDecay,
      schedule: args.schedule,
      seed,
      threads,
      load: args.load,
    }
    const made = args.out === undefined ? [] : await openRunFolder(args.out)
    try {
      await run(model, data, optimizer, options, args)
    } finally {
      await removeIfEmpty(made)
    }
  } finally {
    await model.dispose()
  }
}

async function run(
  model: Model,
  data: Split,
  optimizer: ReturnType<typeof sgd>,
  options: RunOptions,
  { out, numWorkers, json }: TrainArguments,
): Promise<void> {
  const { epochs, schedule } = options
  const reporter = json ? jsonReporter() : humanReporter(epochs, () => model.firingRates())
  if (!json) process.stdout.write(`${describe(model, data, options)}\n`)
  const interrupt = listenForInterrupt(() => {
    reporter.pause()
    process.stderr.write('stopping after this step; Ctrl-C again ends at once, without saving\n')
  })
  const records: EpochRecord[] = []
  const stepTimes: number[] = []
  try {
    const { aborted } = await model.fit(data.train, {
      epochs,
      optimizer,
      schedule: schedule === 'cosine' ? cosine() : constant(),
      validation: data.test,
      signal: interrupt.signal,
      numWorkers,
      onStep(info) {
        stepTimes.push(info.milliseconds)
        reporter.step(info)
      },
      async onEpoch(record) {
        records.push(record)
        reporter.epoch(record)
        if (out !== undefined && !interrupt.signal.aborted)
          await writeRun(out, model, options, { epochs: records, aborted: false })
      },
    })
    // Ctrl-C during the last validation stopped nothing: all epochs are complete.
    const stopped =
      aborted && !(records.length === epochs && records[epochs - 1].testAccuracy !== undefined)
    if (aborted && out !== undefined)
      await writeRun(out, model, options, { epochs: records, aborted: stopped })
    finish(reporter, summarize(model, options, records, stepTimes, stopped, out), json)
    if (stopped) process.exitCode = 130
  } finally {
    reporter.pause()
    interrupt.release()
  }
}

/** The first two lines: the data, and the network with its options. */
function describe(
  model: Model,
  { train, test }: Split,
  { dataset, model: name, batchSize, epochs }: RunOptions,
): string {
  const count = (n: number, what: string): string =>
    `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`
  const how =
    `method ${model.method} ${model.stepMode}, T ${model.timeSteps}, batch ${batchSize}, ` +
    `${count(epochs, 'epoch')}, ${count(model.threads, 'thread')}`
  return [
    `${dataset}: ${count(train.length, 'training sample')} and ` +
      `${count(test.length, 'test sample')} of [${train.shape.join(', ')}]`,
    `${name}: ${count(model.parameterCount, 'parameter')}; ${how}`,
  ].join('\n')
}

function summarize(
  model: Model,
  options: RunOptions,
  records: readonly EpochRecord[],
  stepTimes: readonly number[],
  aborted: boolean,
  out: string | undefined,
): TrainSummary {
  const last = records.at(-1)
  const seconds = stepTimes.reduce((sum, ms) => sum + ms, 0) / 1000
  const {
    dataset,
    model: name,
    method,
    stepMode,
    timeSteps,
    batchSize,
    threads,
    seed,
    epochs,
  } = options
  return {
    final: true,
    testAccuracy: last?.testAccuracy ?? null,
    testLoss: last?.testLoss ?? null,
    trainLoss: last?.trainLoss ?? null,
    trainAccuracy: last?.trainAccuracy ?? null,
    stepMs: last ? median(stepTimes) : null,
    samplesPerSecond: last ? (stepTimes.length * batchSize) / seconds : null,
    peakMemoryMB: peakMemoryMB(),
    firingRates: last?.firingRates ?? {},
    dataset,
    model: name,
    parameters: model.parameterCount,
    method,
    stepMode,
    timeSteps,
    batchSize,
    threads,
    seed,
    epochs,
    aborted,
    out: out ?? null,
  }
}

/**
 * Says how it ended, and where the files are: on standard error where standard output is for JSON.
 */
function finish(reporter: Reporter, summary: TrainSummary, json: boolean): void {
  reporter.summary(summary)
  const { aborted, out } = summary
  const where =
    out !== null
      ? `saved weights, options and history in ${resolve(out)}`
      : aborted
        ? 'nothing was saved; give --out <folder> to keep the weights'
        : undefined
  const text = [aborted ? 'stopped before the end' : undefined, where]
    .filter((part) => part !== undefined)
    .join('; ')
  if (text !== '') (json ? process.stderr : process.stdout).write(`${text}\n`)
}
