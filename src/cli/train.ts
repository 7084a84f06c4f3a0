/** `spikewasm train` */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Command, Option } from 'commander'
import type { Dataset } from '../data/dataset.js'
import { expect } from '../errors.js'
import { inFile } from '../load.js'
import { type ModelName, models } from '../models/registry.js'
import { compile } from '../network.js'
import { imageShape } from '../nn/value.js'
import { type Method, type MethodOptions, type StepMode, takenOptions } from '../plan/methods.js'
import { dueOf, monitors, optionsFile } from '../train/callbacks/checkpoint.js'
import { splitOf } from '../train/fit.js'
import {
  augmentable,
  type DataArguments,
  type DatasetName,
  datasets,
  defaultModel,
  defaultThreads,
  describeDefault,
  isOfEvents,
  loadData,
  stepsFor,
} from './datasets.js'
import { endSoon } from './end-soon.js'
import { addEventFlags } from './event-flags.js'
import { givenEvents } from './event-options.js'
import { firstWeights } from './first-weights.js'
import { counting, named, numeric, shared } from './options.js'
import { crewOf } from './rounds/crew.js'
import { addRoundsFlags, type RoundsArguments, roundsOf } from './rounds/flags.js'
import { holdsRun, optionsIn, type RunOptions } from './run-folder.js'
import type { TrainHooks } from './train-hooks.js'
import {
  newPlace,
  oldPlace,
  type RunPlace,
  runTraining,
  type Stop,
  stopOnSignals,
} from './train-run.js'
import { addTrainingFlags } from './training-flags.js'
import { type TrainingArguments, trainingOf } from './training-options.js'
import { packageVersion } from './version.js'

interface TrainArguments extends DataArguments, TrainingArguments, RoundsArguments {
  readonly model?: ModelName
  readonly method: Method
  readonly stepMode?: StepMode
  readonly update?: MethodOptions['update']
  readonly backwardSteps?: number
  readonly gradientCheckpoint?: MethodOptions['gradientCheckpoint']
  readonly timeSteps?: number
  readonly tau: number
  readonly epochs?: number
  readonly batchSize?: number
  readonly threads?: number
  readonly seed: number
  readonly load?: string
  readonly out?: string
  readonly overwrite: boolean
  readonly resume?: string
  readonly checkpointEvery?: number | string
  readonly numWorkers?: number
  readonly json: boolean
  readonly dashboard?: number
  readonly report: boolean
}

/** @param hooks of a process that trains for another one */
export function trainCommand(command: Command, hooks: TrainHooks = {}): Command {
  const begun = command
    .description(
      'Train a network and test it after each epoch. Without options: the digits that ' +
        'come with the package.',
    )
    .addOption(shared.dataset())
    .addOption(shared.data())
    .addOption(shared.imageSize())
    .addOption(shared.cache())
    .addOption(shared.trainShare())
    .addOption(shared.modelOfData())
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
  return addRoundsFlags(addTrainingFlags(addEventFlags(begun, { training: true })))
    .addOption(shared.threads())
    .addOption(
      numeric('--seed <n>', 'seed of initial weights, order of the data and augmentation', 0),
    )
    .addOption(shared.limitTrain())
    .addOption(shared.limitTest())
    .addOption(
      new Option(
        '--augment',
        'change training pictures at random: crop, flip and, for cifar10 and cifar100, ' +
          `AutoAugment and Cutout; for ${augmentable().join(', ')}`,
      ).default(false),
    )
    .addOption(
      numeric(
        '--num-workers <n>',
        'threads that read and prepare batches ahead (default: 1 where there is enough to prepare)',
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
        'what chooses the best weights (default: testAccuracy), and what --early-stopping ' +
          'watches',
        monitors.filter((name) => name !== 'testMeanAbsoluteError'),
      ),
    )
    .addOption(
      new Option(
        '--dashboard [port]',
        'show the run live on a page of this machine; the address is said when training starts ' +
          '(default port: one that is free)',
      )
        .preset('0')
        .argParser(portOf),
    )
    .addOption(
      new Option('--no-report', 'with --out: write no page about the run (report.html) at its end'),
    )
    .addOption(shared.revectorize())
    .addOption(shared.json())
    .action((args: TrainArguments, command: Command) => train(args, command, hooks))
}

/** The port of `--dashboard`. */
export function portOf(text: string): number {
  const port = Number(text)
  expect(
    text.trim() !== '' && Number.isInteger(port) && port >= 0 && port <= 65535,
    () => `--dashboard must be a port from 0 to 65535, or none, got ${JSON.stringify(text)}`,
  )
  return port
}

async function train(args: TrainArguments, command: Command, hooks: TrainHooks): Promise<void> {
  const { resume, out, overwrite, checkpointEvery, monitor } = args
  const given = resume === undefined ? undefined : resumedArguments(command)
  expect(
    resume !== undefined ||
      out !== undefined ||
      (checkpointEvery === undefined &&
        !overwrite &&
        (monitor === undefined || args.earlyStopping !== undefined)),
    () =>
      '--checkpoint-every, --monitor and --overwrite need --out, a folder for the checkpoints; ' +
      'got none',
  )
  expect(
    args.limitTest === undefined || args.validationSplit === undefined,
    () =>
      '--limit-test must be left out with --validation-split, which tests on training data, got ' +
      args.limitTest,
  )
  expect(out !== '' && resume !== '', () => '--out and --resume must name a folder, got none')
  dueOf('--checkpoint-every', checkpointEvery ?? 'epoch')
  // From here on a signal ends nothing halfway.
  const stop = stopOnSignals()
  let place: RunPlace | undefined
  try {
    if (resume !== undefined) place = await oldPlace(resume)
    else if (out !== undefined)
      place = await (hooks.goesOn && (await holdsRun(out))
        ? oldPlace(out)
        : newPlace(out, overwrite))
    if (place?.resumed && resume !== undefined) {
      const name = optionsFile(place.folder.names)
      const run = optionsIn(resume, await place.folder.read(name), name)
      expectData(run, given, resume)
      await trainAs({ ...args, ...run, ...takenHere(run), ...given }, run, place, stop, hooks)
    } else await trainAs(args, undefined, place, stop, hooks)
  } finally {
    await place?.folder.close()
    stop.release()
  }
}

/** What may be given beside --resume: nothing that numbers depend on. */
const besideResume = [
  ...['resume', 'data', 'cache', 'threads', 'numWorkers', 'json', 'revectorize'],
  'checkpointEvery',
  ...['dashboard', 'report', 'redis', 'namespace', 'shared', 'replaceAfter'],
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
        'options; beside it may stand --data, --cache, --threads, --num-workers, ' +
        '--checkpoint-every, --dashboard, --no-report, --json, and of rounds --redis, ' +
        '--namespace, --shared, --replace-after',
    )
  return Object.fromEntries(
    given.map((option) => [option.attributeName(), command.getOptionValue(option.attributeName())]),
  )
}

/** @throws SpikewasmError where the run's data are no longer, and nobody says where they are now */
function expectData(
  { data }: RunOptions,
  given: Partial<TrainArguments> | undefined,
  resume: string,
): void {
  expect(
    data === undefined || given?.data !== undefined || existsSync(data),
    () =>
      `--resume: the data of the run must be in ${data}, where nothing is; say where they are ` +
      `now: --resume ${resume} --data <path>`,
  )
}

/** Options of a method that it does not take are complete in a run's folder; they do nothing. */
function takenHere(run: RunOptions): MethodOptions {
  const { update, backwardSteps, gradientCheckpoint } = takenOptions(run)
  return { update, backwardSteps, gradientCheckpoint }
}

/** The sensor of recordings: a recording alone may not say it. */
async function sensorFor(name: DatasetName, data: Dataset): Promise<Pick<RunOptions, 'sensor'>> {
  if (!isOfEvents(name)) return {}
  const found = (await import('../data/events/source.js')).sensorOf(data)
  return found === undefined ? {} : { sensor: [found[0], found[1]] }
}

async function trainAs(
  args: TrainArguments,
  run: RunOptions | undefined,
  place: RunPlace | undefined,
  stop: Stop,
  hooks: TrainHooks,
): Promise<void> {
  const { defaults } = datasets[args.dataset]
  const { load } = args
  const rounds = roundsOf(args, run?.rounds)
  // The beginning of a run that goes on is in its checkpoint.
  const begins = load !== undefined && !place?.checkpoint
  const first = begins ? await firstWeights(load, run) : undefined
  const data = await loadData(args)
  await hooks.onData?.(data)
  const { epochs = defaults.epochs, threads = defaultThreads(args.dataset) } = args
  const { tau, method, stepMode, update, backwardSteps, gradientCheckpoint } = args
  const { seed } = args
  const { timeSteps, ...framed } = stepsFor(data.train, args.timeSteps)
  const training = trainingOf(args, { method, timeSteps, backwardSteps, epochs, defaults })
  const { data: part, validation = data.test } = splitOf(data.train, training.fit)
  const { batchSize = Math.min(defaults.batchSize, part.length) } = args
  const { shape: input, classes } = data.train
  const { model: modelName = defaultModel(args.dataset) } = args
  const network = models[modelName](input, classes, { tau })
  const model = await compile(network, {
    input,
    method,
    stepMode,
    update,
    backwardSteps,
    gradientCheckpoint,
    timeSteps,
    ...framed,
    batchSize,
    threads,
    seed,
  })
  let leave: (() => Promise<void>) | undefined
  try {
    if (first) inFile(load!, () => model.loadStateDict(first.state))
    const begun = run && { ...run, data: args.data && resolve(args.data) }
    const moved = run !== undefined && begun?.data !== run.data
    const options: RunOptions = begun ?? {
      version: packageVersion(),
      model: modelName,
      dataset: args.dataset,
      data: args.data && resolve(args.data),
      imageSize: args.imageSize,
      trainShare: args.trainShare,
      limitTrain: args.limitTrain,
      limitTest: args.limitTest,
      augment: args.augment ?? false,
      ...givenEvents(args),
      ...(await sensorFor(args.dataset, data.train)),
      input: [...imageShape(input)],
      classes,
      timeSteps,
      ...framed,
      tau,
      method,
      stepMode: model.stepMode,
      // Complete, also where the method takes none of them.
      update: update ?? 'afterwards',
      backwardSteps: backwardSteps ?? timeSteps,
      gradientCheckpoint: gradientCheckpoint ?? 'none',
      epochs,
      batchSize,
      ...training.record,
      seed,
      threads,
      load: load === undefined ? undefined : resolve(load),
      loadSha256: first?.sha256,
      monitor: args.monitor,
      checkpointEvery: args.checkpointEvery,
      rounds,
    }
    const { monitor, numWorkers, json, dashboard, report } = args
    // Rounds are long, and each can be gone on from.
    const { checkpointEvery = rounds ? 1 : 'epoch' } = args
    const here =
      rounds &&
      (await crewOf(
        args,
        () => options,
        () => stop.pause(),
      ))
    if (here) leave = here.close
    const due = dueOf('--checkpoint-every', checkpointEvery)
    const samples = { training: part.length, validation: validation.length }
    const parts = {
      model,
      data,
      samples,
      training,
      options,
      place,
      moved,
      due,
      monitor,
      numWorkers,
      json,
      stop,
      dashboard,
      report,
      hooks,
      rounds: here && rounds && { ...here, rounds },
    }
    await runTraining(parts)
  } finally {
    await leave?.()
    if (leave && args.redis !== undefined) endSoon()
    await model.dispose()
  }
}
