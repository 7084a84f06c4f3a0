/** `spikewasm train` */

import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { expect } from '../errors.js'
import { type ModelName, models } from '../models/registry.js'
import { compile } from '../network.js'
import { sgd } from '../optimizer/index.js'
import type { Method, MethodOptions, StepMode } from '../plan/methods.js'
import { dueOf, type Monitor, monitors, runFiles } from '../train/callbacks/checkpoint.js'
import {
  augmentable,
  type DataArguments,
  datasets,
  defaultThreads,
  describeDefault,
  loadData,
} from './datasets.js'
import { withFiles } from './mistakes.js'
import { counting, named, numeric, shared } from './options.js'
import { parseRunOptions, type RunOptions } from './run-folder.js'
import {
  newPlace,
  oldPlace,
  type RunPlace,
  runTraining,
  type Stop,
  stopOnSignals,
} from './train-run.js'
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
  readonly overwrite: boolean
  readonly resume?: string
  readonly checkpointEvery?: number | string
  readonly monitor?: Monitor
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
        'write weights, the best weights, options, history and a checkpoint after each epoch',
      ),
    )
    .addOption(
      new Option('--overwrite', 'write over a run that is in the folder of --out').default(false),
    )
    .addOption(
      new Option(
        '--resume <folder>',
        'go on with a run where it ended, to the bit; its options are in the folder',
      ),
    )
    .addOption(
      new Option(
        '--checkpoint-every <when>',
        'with --out: a checkpoint after so many steps (100) or minutes (5m) too',
      ).argParser((text) => (/^\d+$/.test(text) ? Number(text) : text)),
    )
    .addOption(
      named(
        '--monitor <name>',
        'with --out: what chooses the best weights (default: testAccuracy)',
        monitors,
      ),
    )
    .addOption(shared.revectorize())
    .addOption(shared.json())
    .action((args: TrainArguments, command: Command) => train(args, command))
}

async function train(args: TrainArguments, command: Command): Promise<void> {
  const { resume, out, overwrite, checkpointEvery, monitor } = args
  const given = resume === undefined ? undefined : resumedArguments(command)
  expect(
    resume !== undefined ||
      out !== undefined ||
      (checkpointEvery === undefined && monitor === undefined && !overwrite),
    () =>
      '--checkpoint-every, --monitor and --overwrite need --out, a folder for the checkpoints; ' +
      'got none',
  )
  expect(out !== '' && resume !== '', () => '--out and --resume must name a folder, got none')
  dueOf('--checkpoint-every', checkpointEvery ?? 'epoch')
  // From here on a signal ends nothing halfway.
  const stop = stopOnSignals()
  let place: RunPlace | undefined
  try {
    if (resume !== undefined) place = await oldPlace(resume)
    else if (out !== undefined) place = await newPlace(out, overwrite)
    if (place?.resumed) {
      const run = parseRunOptions(
        await place.folder.read(runFiles.options),
        `${resume}/${runFiles.options}`,
      )
      await trainAs({ ...args, ...run, ...given }, run, place, stop)
    } else await trainAs(args, undefined, place, stop)
  } finally {
    await place?.folder.close()
    stop.release()
  }
}

/** What may be given beside --resume: nothing that numbers depend on. */
const besideResume = [
  ...['resume', 'data', 'threads', 'numWorkers', 'json', 'revectorize'],
  'checkpointEvery',
]

/** @throws SpikewasmError for an option that is the run's */
function resumedArguments(command: Command): Partial<TrainArguments> {
  const given = command.options.filter(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  )
  for (const option of given)
    expect(
      besideResume.includes(option.attributeName()),
      () =>
        `${option.long} must be left out with --resume, which goes on with the run's own ` +
        'options; beside it may stand --data, --threads, --num-workers, --checkpoint-every, ' +
        '--json',
    )
  return Object.fromEntries(
    given.map((option) => [option.attributeName(), command.getOptionValue(option.attributeName())]),
  )
}

async function trainAs(
  args: TrainArguments,
  run: RunOptions | undefined,
  place: RunPlace | undefined,
  stop: Stop,
): Promise<void> {
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
    // The beginning of a run that goes on is in its checkpoint.
    if (args.load !== undefined && !place?.checkpoint) await withFiles(() => model.load(args.load!))
    const options: RunOptions = run ?? {
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
      monitor: args.monitor,
      checkpointEvery: args.checkpointEvery,
    }
    const { monitor, numWorkers, json, checkpointEvery = 'epoch' } = args
    const due = dueOf('--checkpoint-every', checkpointEvery)
    const parts = { model, data, optimizer, options, place, due, monitor, numWorkers, json, stop }
    await runTraining(parts)
  } finally {
    await model.dispose()
  }
}
