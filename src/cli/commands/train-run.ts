/** One run of `spikewasm train`: the folder that it writes, what it says, and how it ends. */

import { createHash } from 'node:crypto'
import { resolve } from 'node:path'
import { median } from '../../base/numbers.js'
import type { Split } from '../../data/index.js'
import type { CrewMaker } from '../../scale/rounds/fit.js'
import type { RoundsSetting } from '../../scale/rounds/options.js'
import { type Callback, insideOf } from '../../train/callback.js'
import { type Due, runWriter } from '../../train/callbacks/checkpoint.js'
import { dashboardOf } from '../../train/callbacks/dashboard.js'
import { decimal, epochLine, inkFor, percent } from '../../train/callbacks/epoch-line.js'
import { stepBar } from '../../train/callbacks/progress.js'
import type { FitOptions } from '../../train/options.js'
import { bestSoFar, type EpochRecord, type History, type StepInfo } from '../../train/records.js'
import { datasets } from '../datasets.js'
import { listenForInterrupt } from '../interrupt.js'
import type { NetworkSource } from '../own-model.js'
import { describeRounds } from '../rounds/flags.js'
import { optionsJson, type RunOptions, type RunPlace, shownOptions } from '../run-folder.js'
import { pick, present } from '../spec.js'
import * as terminal from '../terminal.js'
import { type TrainArguments, trainingSchema } from './training-flags.js'
import { describeTraining, type prepare, trainingOf } from './training-options.js'

/** What a process that trains for another one hears of its run, and asks of it. */
export interface TrainHooks {
  /** Whether a run that is in the folder of --out goes on there. */
  readonly goesOn?: boolean
  /** The run ends behind this epoch, 1 for the first, as if a signal had come; it can go on. */
  readonly untilEpoch?: number
  /** Called with the network of a new run; an error ends it. */
  onNetwork?(source: NetworkSource): void
  /** Called with data before anything is trained; an error ends the run. */
  onData?(data: Split): void | Promise<void>
  onStep?(info: StepInfo): void
  onEpoch?(record: EpochRecord): void
  onEnd?(summary: TrainSummary): void
}

/**
 * The last JSON line of `train`.
 *
 * @param stepTimes milliseconds of each step
 */
function summaryOf(
  { model: { parameterCount, threads }, options, place }: RunParts,
  { epochs: records, stopped }: History,
  stepTimes: readonly number[],
  aborted: boolean,
) {
  const last = records.at(-1)
  const seconds = stepTimes.reduce((sum, ms) => sum + ms, 0) / 1000
  const stepped = stepTimes.length > 0
  const samples = stepTimes.length * options.batchSize * (options.rounds?.replicas ?? 1)
  return {
    final: true,
    /** 0…1; null when training was stopped before the last weights were tested. */
    testAccuracy: last?.testAccuracy ?? null,
    testLoss: last?.testLoss ?? null,
    /** The last epoch's; null when there was no step. */
    trainLoss: last?.trainLoss ?? null,
    trainAccuracy: last?.trainAccuracy ?? null,
    stepMs: stepped ? median(stepTimes) : null,
    samplesPerSecond: stepped ? samples / seconds : null,
    peakMemoryMB: terminal.peakMemoryMB(),
    /** Spikes per neuron and step by layer, 0…1, of the last epoch. */
    firingRates: last?.firingRates ?? {},
    ...pick(options, 'dataset', 'model'),
    parameters: parameterCount,
    ...pick(options, 'method', 'stepMode', 'weights', 'timeSteps', 'batchSize'),
    threads,
    ...pick(options, 'seed', 'epochs'),
    /** Whether a signal ended the training. */
    aborted,
    /** Why a callback ended it, such as --early-stopping; null when none did. */
    stopped: stopped ?? null,
    /** The folder with the files. */
    out: place?.folder.path ?? null,
  }
}

export type TrainSummary = ReturnType<typeof summaryOf>

/** What a person or a program sees while a network is trained. */
interface Reporter {
  /** The first lines: the data, the network with its options, and how it is trained. */
  start?(lines: readonly string[]): void
  step?(info: StepInfo): void
  /** `best`: whether it is the best so far. */
  epoch(record: EpochRecord, best: boolean): void
  /** Removes the progress bar, so that other text can be written. */
  pause?(): void
  end(summary: TrainSummary, ending: string): void
}

/** One JSON object a line; `run`: what each says of the run. */
function jsonReporter(run: object): Reporter {
  const print = (value: object): void => terminal.printJson({ ...value, ...run })
  return {
    epoch: print,
    end(summary, ending) {
      print(summary)
      process.stderr.write(ending)
    },
  }
}

/**
 * Lines and a table, and a progress bar where standard error is a terminal.
 *
 * @param rates firing rates of the last step by layer
 */
function humanReporter(epochs: number, rates: () => Record<string, number>): Reporter {
  const bar = process.stderr.isTTY
    ? stepBar(terminal.singleBar() as never, terminal.codeStream(process.stderr), rates)
    : undefined
  const ink = inkFor(process.stdout)
  return {
    start: (lines) => void process.stdout.write(`${lines.join('\n')}\n`),
    step: (info) => bar?.step(info),
    epoch(record, best) {
      bar?.stop()
      terminal.codeStream(process.stdout).write(`${epochLine(record, epochs, { best, ink })}\n`)
    },
    pause: () => bar?.stop(),
    end: (summary, ending) => void process.stdout.write(`${summaryTable(summary)}\n${ending}`),
  }
}

function summaryTable(summary: TrainSummary): string {
  const { testAccuracy, trainLoss, stepMs, samplesPerSecond, peakMemoryMB, firingRates } = summary
  const known = (value: number | null, show: (value: number) => string): string =>
    value === null ? 'unknown' : show(value)
  return terminal.keyValueTable([
    ['test accuracy', known(testAccuracy, percent)],
    ['train loss', known(trainLoss, decimal)],
    ['median step', known(stepMs, (ms) => `${ms.toFixed(2)} ms`)],
    ['speed', known(samplesPerSecond, terminal.speedText)],
    ['peak memory', `${peakMemoryMB.toFixed(0)} MB`],
    ...terminal.rateRows(firingRates),
  ])
}

/** From now on the first signal asks to stop; `pause` is called before the terminal is told. */
export function stopOnSignals() {
  const shown = { pause: (): void => {} }
  const interrupt = listenForInterrupt((name) => {
    shown.pause()
    process.stderr.write(`${name}: stopping after this step; again ends at once, without saving\n`)
  })
  return { shown, interrupt }
}

export interface RunParts extends Awaited<ReturnType<typeof prepare>> {
  readonly args: TrainArguments
  readonly data: Split
  readonly options: RunOptions
  /** The options of the run that goes on. */
  readonly before?: RunOptions
  readonly place?: RunPlace
  readonly due: Due
  readonly stop: ReturnType<typeof stopOnSignals>
  readonly hooks: TrainHooks
  /** How rounds of a training go, and who does them. */
  readonly rounds?: { readonly crew: CrewMaker; readonly rounds: RoundsSetting }
}

export async function runTraining(parts: RunParts): Promise<void> {
  const { args, model, data, options, place, stop, rounds, hooks, epochs } = parts
  const { interrupt } = stop
  const reporter = args.json
    ? jsonReporter({ id: idOf(options), options: shownOptions(options) })
    : humanReporter(epochs, () => model.firingRates())
  stop.shown.pause = () => reporter.pause?.()
  const stepTimes: number[] = []
  const { fit, ...state } = followed(parts, reporter, stepTimes)
  try {
    const { fitWith } = rounds ? await import('../../scale/rounds/fit.js') : {}
    const history = await (rounds && fitWith
      ? fitWith(model, data.train, { ...fit, rounds: rounds.rounds }, rounds.crew)
      : model.fit(data.train, fit))
    const started = state.started()
    if (!started) {
      // It was finished before: its files must be what was written.
      for (const name of place?.folder.names ?? []) await place?.folder.read(name)
      reporter.start?.(firstLines(parts))
    }
    // A signal amid the last validation, or behind it, may have stopped nothing.
    const last = history.epochs.at(-1)
    const aborted = history.aborted && !(last?.epoch === epochs && !last.partial)
    const summary = summaryOf(parts, history, stepTimes, aborted)
    reporter.end(summary, endingOf(summary, started))
    hooks.onEnd?.(summary)
    if (aborted) process.exitCode = interrupt.exitCode
  } finally {
    reporter.pause?.()
  }
}

/**
 * What `fit` is given: how it learns, and who is told of it.
 *
 * @param stepTimes gets the milliseconds of each step
 */
function followed(parts: RunParts, reporter: Reporter, stepTimes: number[]) {
  const { args, data, training, place, hooks, epochs } = parts
  const { interrupt } = parts.stop
  const { untilEpoch = Number.POSITIVE_INFINITY } = hooks
  const { monitor, numWorkers } = args
  // Said when training starts: then all options have been checked.
  let started = false
  let isBest = bestSoFar(monitor)
  let address = ''
  const starter: Callback = {
    name: 'start',
    last: true,
    onFitStart(_, fit) {
      started = true
      isBest = bestSoFar(monitor, insideOf(fit)?.records)
      reporter.start?.(firstLines(parts))
      if (address !== '') process.stderr.write(`dashboard: ${address}\n`)
    },
  }
  const watching = callbacksOf(parts, (url) => {
    address = url
  })
  const silent = new Set<string>()
  const fit: FitOptions = {
    epochs,
    optimizer: training.optimizer,
    schedule: training.schedule,
    ...training.fit,
    ...(training.fit.validationSplit === undefined && { validation: data.test }),
    signal: interrupt.signal,
    numWorkers,
    resume: place?.checkpoint,
    callbacks: [...training.callbacks, ...watching, starter],
    onStep(info) {
      stepTimes.push(info.milliseconds)
      reporter.step?.(info)
      hooks.onStep?.(info)
    },
    onEpoch(record) {
      reporter.epoch(record, isBest(record))
      tellSilence(reporter, silent, record)
      hooks.onEpoch?.(record)
      if (!record.partial && record.epoch >= untilEpoch) interrupt.end()
    },
  }
  return { fit, started: () => started }
}

/** What shows the run on a page, and what writes its folder. */
function callbacksOf(
  { args, options, before, place, due }: RunParts,
  onListen: (url: string) => void,
): Callback[] {
  const { dashboard: port, monitor, report } = args
  const title = `${options.model} on ${options.dataset}`
  /** Whether the data lie elsewhere than they did. */
  const moved = before !== undefined && before.data !== options.data
  return present([
    port !== undefined && dashboardOf({ port, onListen }, { title, options }),
    place &&
      runWriter({
        due,
        monitor,
        report,
        open: async () => ({ folder: place.folder, begun: place.resumed, moved }),
        options: () => optionsJson(options),
      }),
  ])
}

/** Told once of each layer. */
function tellSilence(reporter: Reporter, told: Set<string>, { silent, epoch }: EpochRecord): void {
  const layers = silent?.filter((layer) => told.size < told.add(layer).size) ?? []
  if (layers.length === 0) return
  reporter.pause?.()
  const names = layers.slice(0, 10).join(', ') + (layers.length > 10 ? ', …' : '')
  const text =
    `spikewasm: no neuron of layer ${names} fired in epoch ${epoch}: nothing is learnt behind ` +
    'it; try another --lr, more --time-steps or another --seed'
  terminal.codeStream(process.stderr).write(`${inkFor(process.stderr).warn(text)}\n`)
}

function firstLines({ model, data, samples, training, options, rounds }: RunParts): string[] {
  const { dataset, model: name, batchSize, epochs } = options
  const count = (n: number, what: string): string =>
    `${n.toLocaleString('en-US')} ${what}${n === 1 ? '' : 's'}`
  const isSplit = training.fit.validationSplit !== undefined
  const tested = isSplit
    ? `${count(samples.validation, 'validation sample')}, the last of the training data,`
    : count(samples.validation, 'test sample')
  return present([
    `${dataset}: ${count(samples.training, 'training sample')} and ${tested} of ` +
      `[${data.train.shape.join(', ')}]`,
    `${name}: ${count(model.parameterCount, 'parameter')}; method ${model.method} ` +
      `${model.stepMode}, T ${model.timeSteps}, batch ${batchSize}, ${count(epochs, 'epoch')}, ` +
      (model.weightType === 'f32' ? '' : `weights ${model.weightType}, `) +
      count(model.threads, 'thread'),
    describeTraining(training),
    rounds && describeRounds(rounds.rounds),
  ])
}

/**
 * How it ended, and where the files are.
 *
 * @param started whether there was anything to train; a run that was finished is as it was
 */
function endingOf({ aborted, stopped, out }: TrainSummary, started: boolean): string {
  const where = out !== null && resolve(out)
  const text = present([
    aborted ? 'stopped before the end' : (stopped ?? ''),
    where &&
      (started
        ? `saved weights, options and history in ${where}`
        : `the run was finished and nothing was written; it is in ${where}`),
    where === false && aborted && 'nothing was saved; give --out <folder> to keep the weights',
    where && aborted && `go on with train --resume ${out}`,
  ]).join('; ')
  return text === '' ? '' : `${text}\n`
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
  // The network itself tells more.
  'modelSha256',
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
    ...(options.network && { model: undefined }),
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
