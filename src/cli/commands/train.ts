/** `spikewasm train` */

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import { fail, SpikewasmError } from '../../base/errors.js'
import { VERSION } from '../../base/version.js'
import { segmentOf } from '../../compile/context.js'
import type { Dataset, Split } from '../../data/index.js'
import { readFileClear } from '../../files/files.js'
import { expectNoModule } from '../../files/state.js'
import { readModel } from '../../model/load.js'
import { compositeOf } from '../../network/json.js'
import { imageShape } from '../../network/value.js'
import { dueOf, optionsFile } from '../../train/callbacks/checkpoint.js'
import { inFile } from '../../train/model-file.js'
import { about } from '../about.js'
import { defaultModel, defaultThreads, isOfEvents } from '../datasets.js'
import { endSoon } from '../interrupt.js'
import { loadData } from '../load-data.js'
import { withFiles } from '../mistakes.js'
import { data, eventSpecs, limits } from '../options.js'
import { type NetworkSource, networkByName, openNetwork, sha256Of } from '../own-model.js'
import { roundsOf } from '../rounds/flags.js'
import { crewOf } from '../rounds/replica.js'
import * as folders from '../run-folder.js'
import { commandOf, defined, expectLeftOut, flagOf, given as givenOf, pick } from '../spec.js'
import { type RunParts, runTraining, stopOnSignals, type TrainHooks } from './train-run.js'
import { type TrainArguments, trainSpecs } from './training-flags.js'
import { prepare, takenHere } from './training-options.js'

/** @param hooks of a process that trains for another one */
export const trainCommand = (command: Command, hooks: TrainHooks = {}): Command =>
  commandOf(trainSpecs, about.train, (args: TrainArguments, _, command) =>
    train(args, command, hooks),
  )(command)

async function train(args: TrainArguments, command: Command, hooks: TrainHooks): Promise<void> {
  const { resume, out, overwrite, checkpointEvery, monitor } = args
  const given = resume === undefined ? {} : resumedArguments(command)
  const needsOut = checkpointEvery !== undefined || overwrite
  const choosesBest = monitor !== undefined && args.earlyStopping === undefined
  if (resume === undefined && out === undefined && (needsOut || choosesBest))
    fail(
      '--checkpoint-every, --monitor and --overwrite need --out, a folder for the checkpoints; ' +
        'got none',
    )
  if (args.validationSplit !== undefined)
    expectLeftOut(args, ['limitTest'], 'with --validation-split, which tests on training data')
  if (out === '' || resume === '') fail('--out and --resume must name a folder, got none')
  dueOf('--checkpoint-every', checkpointEvery ?? 'epoch')
  // From here on a signal ends nothing halfway.
  const stop = stopOnSignals()
  let place: folders.RunPlace | undefined
  try {
    if (resume !== undefined) {
      place = await folders.oldPlace(resume)
      const name = optionsFile(place.folder.names)
      const before = folders.optionsIn(resume, await place.folder.read(name), name)
      const { data } = before
      if (data !== undefined && given.data === undefined && !existsSync(data))
        fail(
          `--resume: the data of the run must be in ${data}, where nothing is; say where they ` +
            `are now: --resume ${resume} --data <path>`,
        )
      const all = { ...args, ...before, ...takenHere(before), ...given }
      const source = await recordedSource(before, resume, given.model)
      await trainAs(all, source, { before, place, stop, hooks })
    } else {
      const source = await openNetwork(args.model ?? defaultModel(args.dataset))
      hooks.onNetwork?.(source)
      if (out !== undefined)
        place = await (hooks.goesOn && (await folders.holdsRun(out))
          ? folders.oldPlace(out)
          : folders.newPlace(out, overwrite))
      await trainAs(args, source, { place, stop, hooks })
    }
  } finally {
    await place?.folder.close()
    stop.interrupt.release()
  }
}

/**
 * The network of a run that goes on: its module is not needed any more.
 *
 * @param now what --model says beside --resume
 */
async function recordedSource(
  run: folders.RunOptions,
  folder: string,
  now: string | undefined,
): Promise<NetworkSource> {
  const { model: name, modelSha256: sha256, network: json } = run
  const other = now === undefined ? undefined : await openNetwork(now)
  const own = json ? undefined : networkByName(name)
  return {
    name,
    sha256,
    async make(sizes) {
      const found = await other?.make(sizes)
      if (found && !isDeepStrictEqual(found.json ?? other?.name, json ?? name))
        fail(
          `--resume: ${now} must give the network that the run in ${folder} has, got another; ` +
            'leave --model out to go on with that of the run, or train anew with another --out',
        )
      return own ? own.make(sizes) : { network: compositeOf(json, folder), json }
    },
  }
}

/** What may be given beside --resume: nothing that numbers depend on. */
const besideResume = 'model data cache threads numWorkers checkpointEvery dashboard noReport json'
  .split(' ')
  .map(flagOf)
const besideRounds = ['redis', 'namespace', 'shared', 'replaceAfter'].map(flagOf)

/** @throws SpikewasmError for an option that is the run's */
function resumedArguments(command: Command): Partial<TrainArguments> {
  const given = command.options.filter(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  )
  for (const { long = '' } of given)
    if (![...besideResume, ...besideRounds, '--resume', '--no-revectorize'].includes(long))
      fail(
        `${long} must be left out with --resume, which goes on with the run's own options; ` +
          `beside it may stand ${besideResume.join(', ')}, and of rounds ` +
          besideRounds.join(', '),
      )
  const keys = given.map((option) => option.attributeName() as keyof TrainArguments)
  return pick(command.opts<TrainArguments>(), ...keys)
}

const { dataset: _, cache: __, ...placed } = data

async function trainAs(
  args: TrainArguments,
  source: NetworkSource,
  run: Pick<RunParts, 'place' | 'stop' | 'hooks' | 'before'>,
): Promise<void> {
  const { load, dataset, checkpointEvery } = args
  const { before } = run
  const rounds = roundsOf(args, before?.rounds)
  // The beginning of a run that goes on is in its checkpoint.
  const begins = load !== undefined && !run.place?.checkpoint
  const first = begins ? await firstWeights(load, before) : undefined
  const data = await loadData(args)
  await run.hooks.onData?.(data)
  const { threads = defaultThreads(dataset) } = args
  const prepared = await prepare({ ...args, threads }, data, source)
  const { model } = prepared
  let leave: (() => Promise<void>) | undefined
  try {
    if (first) inFile(load!, () => model.loadStateDict(first.state))
    const place = args.data && resolve(args.data)
    const options: folders.RunOptions = before
      ? { ...before, data: place }
      : {
          ...(await newOptions({ ...args, data: place, threads }, data, prepared)),
          load: load && resolve(load),
          loadSha256: first?.sha256,
          ...pick(args, 'monitor', 'checkpointEvery'),
          modelSha256: source.sha256,
          network: prepared.network,
          rounds,
        }
    const crew = rounds && (await crewOf(args, options, () => run.stop.shown.pause()))
    leave = crew?.close
    await runTraining({
      ...prepared,
      ...run,
      args,
      data,
      options,
      // Rounds are long, and each can be gone on from.
      due: dueOf('--checkpoint-every', checkpointEvery ?? (rounds ? 1 : 'epoch')),
      rounds: crew && rounds && { crew: crew.crew, rounds },
    })
  } finally {
    await leave?.()
    if (leave && args.redis !== undefined) endSoon()
    await model.dispose()
  }
}

/** What options.json says of a run that begins: its data, its network, and how that is trained. */
async function newOptions(
  args: TrainArguments & { readonly threads: number },
  { train }: Split,
  { model, name, steps, epochs, batchSize, training }: Awaited<ReturnType<typeof prepare>>,
) {
  const { dataset, update = 'afterwards', gradientCheckpoint = 'none' } = args
  return {
    version: VERSION,
    model: name,
    dataset,
    ...givenOf({ ...placed, ...limits }, args),
    augment: args.augment ?? false,
    ...givenOf(eventSpecs, args),
    // A recording alone may not say it.
    ...(isOfEvents(dataset) && defined({ sensor: await sensorOf(train) })),
    input: [...imageShape(train.shape)] as [number, number, number],
    classes: train.classes,
    ...steps,
    ...pick(args, 'tau', 'method', 'weights'),
    stepMode: model.stepMode,
    // Complete, also where the method takes none of them.
    update,
    backwardSteps: args.backwardSteps ?? steps.timeSteps,
    gradientCheckpoint,
    truncate: segmentOf({ ...args, ...steps }),
    epochs,
    batchSize,
    ...training.record,
    ...pick(args, 'seed', 'threads'),
  }
}

/** The sensor of recordings. */
async function sensorOf(data: Dataset): Promise<[number, number] | undefined> {
  const found = (await import('../../data/events/source.js')).sensorOf(data)
  return found && [found[0], found[1]]
}

/**
 * The weights that a run starts from, and the SHA-256 of their file.
 *
 * @param run one that goes on from its beginning, because it has no checkpoint yet
 * @throws SpikewasmError when the file is missing or damaged, or not the one that the run had
 */
export async function firstWeights(path: string, run: folders.RunOptions | undefined) {
  const refuse = (why: string) =>
    fail(
      '--resume: the run has no checkpoint yet and begins with the weights of its --load: ' +
        `${why}; put that file back, or train anew with --overwrite`,
    )
  const bytes = await withFiles(() => readFileClear(path, '--load')).catch((error: unknown) => {
    if (!run || !(error instanceof SpikewasmError)) throw error
    return refuse(error.message)
  })
  const sha256 = sha256Of(bytes)
  const wanted = run?.loadSha256 ?? sha256
  if (sha256 !== wanted)
    refuse(`${path} must be as it was then, of SHA-256 ${wanted}, got ${sha256}`)
  return { state: readModel(expectNoModule(bytes, path), path).state, sha256 }
}
