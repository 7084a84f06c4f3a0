/** One run of `spikewasm train`: the folder that it writes, what it says, and how it ends. */

import { join, resolve } from 'node:path'
import type { Split } from '../data/index.js'
import { SpikewasmError } from '../errors.js'
import { RunFolder } from '../io/folder/folder.js'
import { MANIFEST } from '../io/folder/manifest.js'
import { median } from '../median.js'
import type { Model } from '../model.js'
import type { RoundsSetting } from '../scale/rounds/options.js'
import type { Callback } from '../train/callback.js'
import { insideOf } from '../train/callback.js'
import { bestSoFar } from '../train/callbacks/best.js'
import {
  type Due,
  hasCheckpoint,
  type Monitor,
  optionsFile,
  runFiles,
  runWriter,
} from '../train/callbacks/checkpoint.js'
import { dashboardOf } from '../train/callbacks/dashboard.js'
import { inkFor } from '../train/callbacks/epoch-line.js'
import type { FitOptions } from '../train/options.js'
import type { History } from '../train/records.js'
import { type Interrupt, listenForInterrupt } from './interrupt.js'
import { withFiles } from './mistakes.js'
import {
  humanReporter,
  jsonReporter,
  peakMemoryMB,
  type Reporter,
  type TrainSummary,
} from './report.js'
import type { CrewHere } from './rounds/crew.js'
import { describeRounds } from './rounds/flags.js'
import { areOfProgram, holdsRun, optionsJson, type RunOptions, runNames } from './run-folder.js'
import { idOf } from './run-id.js'
import { codeStream } from './terminal.js'
import { endingOf, type TrainHooks } from './train-hooks.js'
import { describeTraining, type TrainingSetup } from './training-options.js'

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
export async function newPlace(path: string, overwrite: boolean): Promise<RunPlace> {
  const folder = await withFiles(() => RunFolder.open(path, '--out'))
  try {
    const taken = await folder.taken(runNames)
    if (overwrite || (taken.length === 0 && folder.names.length === 0))
      return { folder, resumed: false }
  } catch (error) {
    await folder.close()
    throw error
  }
  await folder.close()
  throw new SpikewasmError(
    `--out: ${path} holds a run already; --resume ${path} goes on with it, --overwrite begins anew`,
  )
}

/** The folder of a run that goes on. */
export async function oldPlace(path: string): Promise<RunPlace> {
  if (!(await holdsRun(path)))
    throw new SpikewasmError(
      `--resume must be the folder of a run, got ${JSON.stringify(path)}; train --out makes one`,
    )
  const folder = await withFiles(() => RunFolder.open(path, '--resume'))
  try {
    const begun = hasCheckpoint(folder.names)
    const options = optionsFile(folder.names)
    if (folder.names.includes(options) && areOfProgram(await folder.read(options)))
      throw new SpikewasmError(
        `--resume: ${path} was written by a program, whose network and data are not known here; ` +
          `go on in the program: fit(data, { resume: ${JSON.stringify(path)}, … })`,
      )
    if (!begun && !folder.names.includes(runFiles.options)) throw noRunIn(folder)
    const checkpoint = begun ? await readCheckpoint(folder) : undefined
    return { folder, resumed: true, checkpoint }
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
    throw new SpikewasmError(`${error.message}, or ${beginAnew(folder.path)}`, { cause: error })
  }
}

/** @throws SpikewasmError when a file of a finished run is not what was written */
async function expectWhole(folder: RunFolder): Promise<void> {
  for (const name of folder.names) await folder.read(name)
}

export interface RunParts {
  readonly model: Model
  readonly data: Split
  /** How many train the model, and how many test it after each epoch. */
  readonly samples: { readonly training: number; readonly validation: number }
  readonly training: TrainingSetup
  readonly options: RunOptions
  readonly place?: RunPlace
  /** Whether the data of the run lie elsewhere than its options say. */
  readonly moved: boolean
  readonly due: Due
  readonly monitor?: Monitor
  readonly numWorkers?: number
  readonly json: boolean
  readonly stop: Stop
  /** The port of a page that shows the run; 0: one that is free. Undefined: no page. */
  readonly dashboard?: number
  /** Whether a page about the run is written when it ends. */
  readonly report: boolean
  readonly hooks: TrainHooks
  /** Of a training in rounds: how, and who does them. */
  readonly rounds?: CrewHere & { readonly rounds: RoundsSetting }
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

export async function runTraining(parts: RunParts): Promise<void> {
  const { model, data, training, options, place, due, monitor, numWorkers, json, stop } = parts
  const { report, dashboard: port, rounds, hooks, moved } = parts
  const ending = endingOf(stop.signal, hooks)
  const { epochs } = options
  const { optimizer, schedule } = training
  const id = idOf(options)
  const reporter = json
    ? jsonReporter({ id, options })
    : humanReporter(epochs, () => model.firingRates())
  // Said when training starts: then all options have been checked.
  let started = false
  let isBest = bestSoFar(monitor)
  let address: string | undefined
  const tellStart = (): void => {
    const lines = [
      describe(parts),
      describeTraining(training),
      ...(rounds ? [describeRounds(rounds.rounds)] : []),
    ]
    if (!json) process.stdout.write(`${lines.join('\n')}\n`)
  }
  const starter: Callback = {
    name: 'start',
    last: true,
    onFitStart(_, fit) {
      started = true
      isBest = bestSoFar(monitor, insideOf(fit)?.records)
      tellStart()
      if (address !== undefined) process.stderr.write(`dashboard: ${address}\n`)
    },
  }
  stop.pause = () => reporter.pause()
  const stepTimes: number[] = []
  const silent = new Set<string>()
  const watched =
    port === undefined
      ? []
      : [
          dashboardOf(
            {
              port,
              onListen(url) {
                address = url
              },
            },
            { title: `${options.model} on ${options.dataset}`, options },
          ),
        ]
  const writer =
    place &&
    runWriter({
      due,
      monitor,
      open: async () => ({ folder: place.folder, begun: place.resumed, moved }),
      options: () => optionsJson(options),
      report,
    })
  try {
    const fit: FitOptions = {
      epochs,
      optimizer,
      schedule,
      ...training.fit,
      ...(training.fit.validationSplit === undefined ? { validation: data.test } : {}),
      signal: ending.signal,
      numWorkers,
      resume: place?.checkpoint,
      callbacks: [...training.callbacks, ...watched, ...(writer ? [writer] : []), starter],
      onStep(info) {
        stepTimes.push(info.milliseconds)
        reporter.step(info)
        hooks.onStep?.(info)
        ending.step()
      },
      onEpoch(record) {
        reporter.epoch(record, isBest(record))
        const fresh = record.silent?.filter((layer) => !silent.has(layer)) ?? []
        if (fresh.length > 0) tellSilence(reporter, fresh, record.epoch)
        for (const layer of fresh) silent.add(layer)
        hooks.onEpoch?.(record)
        ending.epoch(record)
      },
    }
    const history = await (rounds
      ? (await import('../scale/rounds/fit.js')).fitWith(
          model,
          data.train,
          { ...fit, rounds: rounds.rounds },
          rounds.crew,
        )
      : model.fit(data.train, fit))
    if (!started) {
      if (place) await expectWhole(place.folder)
      tellStart()
    }
    const stopped = isUnfinished(history, epochs)
    const out = place?.folder.path
    const summary = summarize(model, options, history, stepTimes, stopped, out)
    finish(reporter, summary, json, started)
    hooks.onEnd?.(summary)
    if (stopped) process.exitCode = stop.exitCode
  } finally {
    reporter.pause()
  }
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

/** The first two lines: the data, and the network with its options. */
function describe({ model, data, samples, training, options }: RunParts): string {
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
  return [
    `${dataset}: ${count(samples.training, 'training sample')} and ${tested} of ` +
      `[${data.train.shape.join(', ')}]`,
    `${name}: ${count(model.parameterCount, 'parameter')}; ${how}`,
  ].join('\n')
}

function summarize(
  model: Model,
  options: RunOptions,
  { epochs: records, stopped }: History,
  stepTimes: readonly number[],
  aborted: boolean,
  out: string | undefined,
): TrainSummary {
  const last = records.at(-1)
  const seconds = stepTimes.reduce((sum, ms) => sum + ms, 0) / 1000
  const stepped = stepTimes.length > 0
  const { dataset, model: name, method, stepMode, timeSteps, batchSize } = options
  const samples = stepTimes.length * batchSize * (options.rounds?.replicas ?? 1)
  return {
    final: true,
    testAccuracy: last?.testAccuracy ?? null,
    testLoss: last?.testLoss ?? null,
    trainLoss: last?.trainLoss ?? null,
    trainAccuracy: last?.trainAccuracy ?? null,
    stepMs: stepped ? median(stepTimes) : null,
    samplesPerSecond: stepped ? samples / seconds : null,
    peakMemoryMB: peakMemoryMB(),
    firingRates: last?.firingRates ?? {},
    dataset,
    model: name,
    parameters: model.parameterCount,
    method,
    stepMode,
    timeSteps,
    batchSize,
    threads: model.threads,
    seed: options.seed,
    epochs: options.epochs,
    aborted,
    stopped: stopped ?? null,
    out: out ?? null,
  }
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
