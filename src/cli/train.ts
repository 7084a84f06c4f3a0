/** `spikewasm train` */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { Dataset } from '../data/dataset.js'
import { expect } from '../errors.js'
import { inFile } from '../load.js'
import { models } from '../models/registry.js'
import { compile } from '../network.js'
import { imageShape } from '../nn/value.js'
import { type MethodOptions, takenOptions } from '../plan/methods.js'
import * as v from '../runtime/vendor/valibot/index.js'
import { dueOf, optionsFile } from '../train/callbacks/checkpoint.js'
import { splitOf } from '../train/fit.js'
import {
  type DatasetName,
  datasets,
  defaultModel,
  defaultThreads,
  describeDefault,
  isOfEvents,
} from './datasets.js'
import { endSoon } from './end-soon.js'
import { eventSpecs } from './event-options.js'
import { firstWeights } from './first-weights.js'
import { loadData, stepsFor } from './load-data.js'
import {
  augmentSpecs,
  batchSpecs,
  dataSpecs,
  lastSpecs,
  limitSpecs,
  modelOfData,
  seedOf,
  threadSpecs,
  timeSpecs,
  wholeMethodSpecs,
} from './options.js'
import { crewOf } from './rounds/crew.js'
import { roundsOf, roundsSpecs } from './rounds/flags.js'
import { holdsRun, optionsIn, type RunOptions } from './run-folder.js'
import {
  type ArgumentsOf,
  addOptions,
  count,
  flag,
  given as givenOf,
  number,
  parsed,
  text,
  unless,
} from './spec.js'
import type { TrainHooks } from './train-hooks.js'
import {
  newPlace,
  oldPlace,
  type RunPlace,
  runTraining,
  type Stop,
  stopOnSignals,
} from './train-run.js'
import { monitorSpecs, trainingSpecs } from './training-flags.js'
import { trainingOf } from './training-options.js'
import { packageVersion } from './version.js'

/** The page of this machine that shows how it goes. */
export const dashboardOf = (what: string) => ({
  dashboard: parsed(
    '[port]',
    what,
    'a port from 0 to 65535, or none',
    (text) => (text.trim() === '' ? undefined : Number(text)),
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)),
    { bare: '0' },
  ),
})

/** All options of `train`. */
export const trainSpecs = {
  ...dataSpecs,
  ...modelOfData,
  ...wholeMethodSpecs,
  ...timeSpecs,
  epochs: count('<n>', 'passes over the training data', { usual: describeDefault('epochs') }),
  ...batchSpecs,
  ...eventSpecs,
  ...trainingSpecs,
  ...roundsSpecs,
  ...threadSpecs,
  ...seedOf('initial weights, order of the data and augmentation'),
  ...limitSpecs,
  ...augmentSpecs,
  numWorkers: number('<n>', 'threads that read and prepare batches ahead', {
    usual: '1 where there is enough to prepare',
  }),
  load: text('<file>', 'start from the weights in a safetensors file'),
  out: text(
    '<folder>',
    'write weights, the best weights, options, history and a checkpoint after each epoch',
  ),
  overwrite: flag('write over a run that is in the folder of --out', { preset: false }),
  resume: text(
    '<folder>',
    'go on with a run where it ended, to the bit; its options are in the folder',
  ),
  checkpointEvery: parsed(
    '<when>',
    'with --out: a checkpoint after so many steps (100) or minutes (5m) too',
    'steps or minutes',
    (text) => (/^\d+$/.test(text) ? Number(text) : text),
    v.union([v.number(), v.string()]),
  ),
  ...monitorSpecs,
  ...dashboardOf(
    'show the run live on a page of this machine; the address is said when training starts ' +
      '(default port: one that is free)',
  ),
  report: unless('with --out: write no page about the run (report.html) at its end'),
  ...lastSpecs,
}

export type TrainArguments = ArgumentsOf<typeof trainSpecs>

/** @param hooks of a process that trains for another one */
export const trainCommand = (command: Command, hooks: TrainHooks = {}): Command =>
  addOptions(command, trainSpecs)
    .description(
      'Train a network and test it after each epoch. Without options: the digits that ' +
        'come with the package.',
    )
    .action((args: TrainArguments, command: Command) => train(args, command, hooks))

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
      ...givenOf(eventSpecs, args),
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
