/** One run of `spikewasm train`: the folder that it writes, what it says, and how it ends. */

import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'
import type { Split } from '../data/index.js'
import { fail, SpikewasmError } from '../errors.js'
import { RunFolder } from '../io/folder/folder.js'
import { MANIFEST } from '../io/folder/manifest.js'
import type { CrewMaker } from '../scale/rounds/fit.js'
import type { RoundsSetting } from '../scale/rounds/options.js'
import { type Callback, insideOf } from '../train/callback.js'
import { bestSoFar } from '../train/callbacks/best.js'
import * as checkpoint from '../train/callbacks/checkpoint.js'
import { dashboardOf } from '../train/callbacks/dashboard.js'
import { inkFor } from '../train/callbacks/epoch-line.js'
import type { FitOptions } from '../train/options.js'
import type { EpochRecord, History, StepInfo } from '../train/records.js'
import { datasets } from './datasets.js'
import { type Interrupt, listenForInterrupt } from './interrupt.js'
import { withFiles } from './mistakes.js'
import { describeRounds } from './rounds/flags.js'
import { areOfProgram, holdsRun, optionsJson, type RunOptions, runNames } from './run-folder.js'
import {
  codeStream,
  humanReporter,
  jsonReporter,
  type Reporter,
  summaryOf,
  type TrainSummary,
} from './terminal.js'
import { type TrainArguments, trainingSchema } from './training-flags.js'
import { describeTraining, type prepare, trainingOf } from './training-options.js'

const { runFiles } = checkpoint

/** What a process that trains for another one hears of its run, and asks of it. */
export interface TrainHooks {
  /** Whether a run that is in the folder of --out goes on there. */
  readonly goesOn?: boolean
  /** The run ends behind this epoch, 1 for the first, as if a signal had come; it can go on. */
  readonly untilEpoch?: number
  /** The same, of steps of this process. */
  readonly untilStep?: number
  /** Called with data before anything is trained; an error ends the run. */
  onData?(data: Split): void | Promise<void>
  onStep?(info: StepInfo): void
  onEpoch?(record: EpochRecord): void
  onEnd?(summary: TrainSummary): void
}

/** Where a run is kept. */
export interface RunPlace {
  readonly folder: RunFolder
  /** A checkpoint to go on from. */
  readonly checkpoint?: Uint8Array
  /** Whether it goes on, from a checkpoint or from the beginning. */
  readonly resumed: boolean
}

/**
 * The folder of a new run.
 * @throws SpikewasmError when it holds one already, unless that may be written over
 */
export const newPlace = (path: string, overwrite: boolean): Promise<RunPlace> =>
  placeAt(path, '--out', async (folder) => {
    const taken = await folder.taken(runNames)
    if (!overwrite && (taken.length > 0 || folder.names.length > 0))
      fail(
        `--out: ${path} holds a run already; --resume ${path} goes on with it, ` +
          '--overwrite begins anew',
      )
    return { folder, resumed: false }
  })

/** The folder of a run that goes on. */
export async function oldPlace(path: string): Promise<RunPlace> {
  if (!(await holdsRun(path)))
    fail(`--resume must be the folder of a run, got ${JSON.stringify(path)}; train --out makes one`)
  return placeAt(path, '--resume', async (folder) => {
    const begun = checkpoint.hasCheckpoint(folder.names)
    const options = checkpoint.optionsFile(folder.names)
    if (folder.names.includes(options) && areOfProgram(await folder.read(options)))
      fail(
        `--resume: ${path} was written by a program, whose network and data are not known here; ` +
          `go on in the program: fit(data, { resume: ${JSON.stringify(path)}, … })`,
      )
    if (!begun && !folder.names.includes(runFiles.options)) throw noRunIn(folder)
    return { folder, resumed: true, checkpoint: begun ? await readCheckpoint(folder) : undefined }
  })
}

/** A folder that is let go where it cannot be used. */
async function placeAt(
  path: string,
  option: string,
  use: (folder: RunFolder) => Promise<RunPlace>,
): Promise<RunPlace> {
  const folder = await withFiles(() => RunFolder.open(path, option))
  try {
    return await use(folder)
  } catch (error) {
    await folder.close()
    throw error
  }
}

const beginAnew = (path: string): string =>
  `begin anew from its weights with --load ${join(path, runFiles.weights)} --out <another folder>`

/** What a folder is that no run can go on in. */
function noRunIn({ path, generation }: RunFolder): SpikewasmError {
  if (generation > 0)
    return new SpikewasmError(
      `--resume: ${path} holds no options and no checkpoint; train anew with --overwrite`,
    )
  return new SpikewasmError(
    `--resume: ${path} has lost its ${MANIFEST}, which tells whether the other files are whole; ` +
      `put it back, or ${beginAnew(path)}`,
  )
}

async function readCheckpoint(folder: RunFolder): Promise<Uint8Array> {
  try {
    return await folder.read(runFiles.checkpoint)
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    fail(`${error.message}, or ${beginAnew(folder.path)}`, error)
  }
}

/** How signals end a training. */
export interface Stop extends Interrupt {
  /** Called before something is written to the terminal. */
  pause: () => void
}

/** From now on the first signal asks to stop. */
export function stopOnSignals(): Stop {
  const interrupt = listenForInterrupt((name) => {
    stop.pause()
    process.stderr.write(`${name}: stopping after this step; again ends at once, without saving\n`)
  })
  const stop: Stop = Object.assign(Object.create(interrupt), { pause: () => {} })
  return stop
}

export interface RunParts extends Awaited<ReturnType<typeof prepare>> {
  readonly args: Pick<TrainArguments, 'monitor' | 'numWorkers' | 'json' | 'dashboard' | 'report'>
  readonly data: Split
  readonly options: RunOptions
  readonly place?: RunPlace
  /** Whether the data of the run lie elsewhere than its options say. */
  readonly moved: boolean
  readonly due: checkpoint.Due
  readonly stop: Stop
  readonly hooks: TrainHooks
  /** How rounds of a training go, and who does them. */
  readonly rounds?: { readonly crew: CrewMaker; readonly rounds: RoundsSetting }
}

export async function runTraining(parts: RunParts): Promise<void> {
  const { args, model, data, training, options, place, stop, rounds, hooks, epochs } = parts
  const { untilEpoch = Number.POSITIVE_INFINITY, untilStep = Number.POSITIVE_INFINITY } = hooks
  const { json, monitor, numWorkers } = args
  const reporter = json
    ? jsonReporter({ id: idOf(options), options })
    : humanReporter(epochs, () => model.firingRates())
  // Said when training starts: then all options have been checked.
  let started = false
  let isBest = bestSoFar(monitor)
  let address: string | undefined
  const starter: Callback = {
    name: 'start',
    last: true,
    onFitStart(_, fit) {
      started = true
      isBest = bestSoFar(monitor, insideOf(fit)?.records)
      if (!json) tellStart(parts)
      if (address !== undefined) process.stderr.write(`dashboard: ${address}\n`)
    },
  }
  const onListen = (url: string): void => {
    address = url
  }
  stop.pause = () => reporter.pause()
  const stepTimes: number[] = []
  const silent = new Set<string>()
  const fit: FitOptions = {
    epochs,
    optimizer: training.optimizer,
    schedule: training.schedule,
    ...training.fit,
    ...(training.fit.validationSplit === undefined ? { validation: data.test } : {}),
    signal: stop.signal,
    numWorkers,
    resume: place?.checkpoint,
    callbacks: [...training.callbacks, ...callbacksOf(parts, onListen), starter],
    onStep(info) {
      stepTimes.push(info.milliseconds)
      reporter.step(info)
      hooks.onStep?.(info)
      if (stepTimes.length >= untilStep) stop.end()
    },
    onEpoch(record) {
      reporter.epoch(record, isBest(record))
      const fresh = record.silent?.filter((layer) => !silent.has(layer)) ?? []
      if (fresh.length > 0) tellSilence(reporter, fresh, record.epoch)
      for (const layer of fresh) silent.add(layer)
      hooks.onEpoch?.(record)
      if (!record.partial && record.epoch >= untilEpoch) stop.end()
    },
  }
  try {
    const history = await (rounds
      ? (await import('../scale/rounds/fit.js')).fitWith(
          model,
          data.train,
          { ...fit, rounds: rounds.rounds },
          rounds.crew,
        )
      : model.fit(data.train, fit))
    if (!started) {
      // It was finished before: its files must be what was written.
      for (const name of place?.folder.names ?? []) await place?.folder.read(name)
      if (!json) tellStart(parts)
    }
    const stopped = isUnfinished(history, epochs)
    const summary = summaryOf(model, options, history, stepTimes, stopped, place?.folder.path)
    finish(reporter, summary, json, started)
    hooks.onEnd?.(summary)
    if (stopped) process.exitCode = stop.exitCode
  } finally {
    reporter.pause()
  }
}

/** What shows the run on a page, and what writes its folder. */
function callbacksOf(
  { args, options, place, moved, due }: RunParts,
  onListen: (url: string) => void,
): Callback[] {
  const { dashboard: port, monitor, report } = args
  const title = `${options.model} on ${options.dataset}`
  const callbacks: Callback[] = []
  if (port !== undefined) callbacks.push(dashboardOf({ port, onListen }, { title, options }))
  if (place)
    callbacks.push(
      checkpoint.runWriter({
        ...{ due, monitor, report },
        open: async () => ({ folder: place.folder, begun: place.resumed, moved }),
        options: () => optionsJson(options),
      }),
    )
  return callbacks
}

/** Told once of each layer. */
function tellSilence(reporter: Reporter, layers: readonly string[], epoch: number): void {
  reporter.pause()
  const names = layers.slice(0, 10).join(', ') + (layers.length > 10 ? ', …' : '')
  const { warn } = inkFor(process.stderr)
  const text =
    `spikewasm: no neuron of layer ${names} fired in epoch ${epoch}: nothing is learnt behind ` +
    'it; try a higher --lr, more --time-steps or another --seed'
  codeStream(process.stderr).write(`${warn(text)}\n`)
}

/** A signal amid the last validation, or behind it, may have stopped nothing. */
function isUnfinished({ aborted, epochs: records }: History, epochs: number): boolean {
  const last = records.at(-1)
  return aborted && !(last?.epoch === epochs && !last.partial)
}

/** The first lines: the data, the network with its options, and how it is trained. */
function tellStart({ model, data, samples, training, options, rounds }: RunParts): void {
  const { dataset, model: name, batchSize, epochs } = options
  const count = (n: number, what: string): string =>
    `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`
  const isSplit = training.fit.validationSplit !== undefined
  const tested = isSplit
    ? `${count(samples.validation, 'validation sample')}, the last of the training data,`
    : count(samples.validation, 'test sample')
  const how =
    `method ${model.method} ${model.stepMode}, T ${model.timeSteps}, batch ${batchSize}, ` +
    `${count(epochs, 'epoch')}, ${count(model.threads, 'thread')}`
  const lines = [
    `${dataset}: ${count(samples.training, 'training sample')} and ${tested} of ` +
      `[${data.train.shape.join(', ')}]`,
    `${name}: ${count(model.parameterCount, 'parameter')}; ${how}`,
    describeTraining(training),
    ...(rounds ? [describeRounds(rounds.rounds)] : []),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

/**
 * Says how it ended, and where the files are: on standard error where standard output is for JSON.
 *
 * @param started whether there was anything to train; a run that was finished is as it was
 */
function finish(reporter: Reporter, summary: TrainSummary, json: boolean, started: boolean): void {
  reporter.summary(summary)
  const { aborted, stopped, out } = summary
  const where =
    out !== null
      ? started
        ? `saved weights, options and history in ${resolve(out)}`
        : `the run was finished and nothing was written; it is in ${resolve(out)}`
      : aborted
        ? 'nothing was saved; give --out <folder> to keep the weights'
        : undefined
  const how = aborted && out !== null ? `; go on with train --resume ${out}` : ''
  const text = [aborted ? 'stopped before the end' : (stopped ?? undefined), where]
    .filter((part) => part !== undefined)
    .join('; ')
  if (text !== '') (json ? process.stderr : process.stdout).write(`${text}${how}\n`)
}

/** What no number depends on, or what is in the id in another form. */
const leftOut: readonly string[] = [
  'threads',
  'checkpointEvery',
  // Gradients are the same to the last bit.
  'gradientCheckpoint',
  // Places of files: of weights that a run starts from there is the hash.
  'data',
  'load',
  ...Object.keys(trainingSchema),
]

/**
 * Equal runs have equal ids: 12 hexadecimal digits of what numbers depend on. Options count by what
 * they do, so that one that does nothing is the same as none.
 */
export function idOf(options: RunOptions): string {
  const { defaults } = datasets[options.dataset]
  const { optimizer, fit } = trainingOf(options, { ...options, defaults })
  const { penalties, accumulate = 1, ema = 0, freeze, ...plain } = fit
  const { schedule, warmup, earlyStopping, monitor = 'testLoss' } = options
  const rest = Object.entries(options).filter(([key]) => !leftOut.includes(key))
  const whole = {
    ...Object.fromEntries(rest),
    ...plain,
    optimizer,
    penalties: penalties?.filter(({ weight }) => weight > 0),
    accumulate,
    ema,
    freeze: [...new Set(freeze)].sort(),
    schedule,
    warmup,
    // Elsewhere it chooses the best weights alone.
    ...(earlyStopping === undefined ? {} : { earlyStopping, monitor }),
  }
  const given = Object.entries(whole).filter(
    ([, value]) => value !== undefined && !(Array.isArray(value) && value.length === 0),
  )
  const sorted = given.sort(([a], [b]) => (a < b ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 12)
}
