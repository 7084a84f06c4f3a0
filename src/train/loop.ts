/** The training loop: batches prepared one ahead, one message to the workers a step. */

import { describe, fail, listOf } from '../base/errors.js'
import { median } from '../base/numbers.js'
import { isOfValues } from '../compile/loss-kind.js'
import type { Optimizer } from '../compile/optimizer-kind.js'
import type { Dataset } from '../data/datasets/dataset.js'
import type { StepResult } from '../engine/compile-options.js'
import { expectSeveral, firingRates, trainingOf } from '../engine/memory/arena.js'
import type { Lock } from '../engine/memory/lock.js'
import {
  averages,
  type StateDict,
  stateDict,
  takeOptimizerState,
  takeState,
} from '../engine/memory/state.js'
import { warn } from '../engine/platform.js'
import { withSignal } from '../engine/run/host-loss.js'
import { nonFinite } from '../engine/run/non-finite.js'
import { runStep } from '../engine/run/passes.js'
import {
  accuracyOf,
  addSums,
  type EpochSums,
  noSums,
  type Progress,
  rightOf,
} from '../engine/run/progress.js'
import { withAverages } from '../engine/run/update.js'
import type { Session } from '../engine/session.js'
import { breathe } from '../engine/threads/breathe.js'
import { runsHere } from '../engine/threads/processors.js'
import { figuresOf } from '../network/optimizer.js'
import { type Callback, type FitStart, openInside, type Training } from './callback.js'
import { Rates, type StepRate } from './comparable-lr.js'
import { type Evaluation, evaluate, fillAhead, hasAccuracy } from './evaluate.js'
import type { Feed } from './feed.js'
import type { FitOptions } from './options.js'
import type { EpochRecord, History, StepInfo } from './records.js'
import type { Setting, Snapshot } from './snapshot.js'

// The callbacks of a training: in which order they are called, and what they may do.

export class Told {
  /** Those that save what others have done are behind them. */
  readonly callbacks: readonly Callback[]
  /** Those that have been told of the start, and not yet of the end. */
  private readonly begun: Callback[] = []
  /** The name of the one that is called. */
  private calling: string | undefined
  /** Why one of them has stopped the training. */
  stopped: string | undefined

  constructor(
    private readonly lock: Lock,
    private readonly options: FitOptions,
  ) {
    this.callbacks = [...(options.callbacks ?? [])].sort(
      (a, b) => Number(a.last ?? false) - Number(b.last ?? false),
    )
  }

  async start(start: FitStart, training: Training): Promise<void> {
    for (const callback of this.callbacks) {
      this.begun.push(callback)
      await this.lock.lend(() => this.call(callback, () => callback.onFitStart?.(start, training)))
    }
  }

  async step(info: StepInfo, training: Training): Promise<void> {
    this.calling = undefined
    const { onStep } = this.options
    if (onStep) await this.lock.pause(() => onStep(info), false)
    for (const callback of this.callbacks)
      if (callback.onStep)
        await this.lock.pause(() => this.call(callback, () => callback.onStep?.(info, training)))
  }

  async epoch(record: EpochRecord, training: Training): Promise<void> {
    this.calling = undefined
    await this.lock.lend(async () => {
      await this.options.onEpoch?.(record)
      for (const callback of this.callbacks)
        await this.call(callback, () => callback.onEpoch?.(record, training))
    })
  }

  /**
   * Tells all that have begun, each once, whatever others of them throw.
   * @throws the first error, behind the last one
   */
  async end(history: History | undefined, training: Training): Promise<void> {
    let failure: { readonly error: unknown } | undefined
    for (const callback of this.begun.splice(0))
      try {
        await this.lock.lend(() =>
          this.call(callback, () => callback.onFitEnd?.(history, training)),
        )
      } catch (error) {
        failure ??= { error }
      }
    if (failure) throw failure.error
  }

  /** Remembers who is called, until the next one is. */
  private call(callback: Callback, hook: () => unknown): unknown {
    this.calling = callback.name
    return hook()
  }

  /** `Training.stop`. */
  stop(reason = `stopped by ${this.calling ? `callback ${this.calling}` : 'a callback'}`): void {
    if (typeof reason !== 'string' || reason === '')
      fail(
        `training.stop's reason must be a text, which becomes history.stopped, got ` +
          `${describe(reason)}; leave it out for one with the callback's name`,
      )
    this.stopped ??= reason
  }
}

// Trainings whose steps are done in rounds: what `fit` asks of whoever does them.

export interface InRounds {
  /** What numbers depend on, for checkpoints: a run goes on in the same rounds alone. */
  readonly setting: object
  /** How many steps an epoch has, and samples a step. */
  feed(session: Session, data: Dataset): LoopParts['feed']
  /** @param setting all that the training's numbers depend on */
  loop(parts: LoopParts, data: Dataset, setting: () => Setting): Loop
}

/**
 * A step that resolves faster than this after the next batch was ready may have been waiting for
 * it.
 */
const ALREADY_DONE_MS = 0.1

/** What an epoch's steps took, on this machine. */
export interface Times {
  readonly steps: number[]
  dataWaitMs: number
  seen: number
  /** Labels of the samples, where this thread has them. */
  readonly labels: Set<number>
}

/** A step, or steps that were done together: what was found, and the last learning rate. */
export interface Advance {
  readonly result: StepResult
  readonly rate: StepRate
}

export interface LoopParts {
  readonly session: Session
  readonly feed: Pick<Feed, 'length' | 'full' | 'startEpoch' | 'fill'>
  readonly options: FitOptions
  readonly optimizer: Optimizer
  /** The epoch at which the training ends. */
  readonly epochs: number
  readonly progress: Progress
  /** Records of epochs before, for a run that goes on. */
  readonly records: EpochRecord[]
  readonly snapshot: (loop: Loop) => Snapshot
}

export class Loop implements Training {
  private toldSilence = false
  private toldSplit = false
  readonly progress: Progress
  readonly records: EpochRecord[]
  readonly told: Told
  protected readonly rates: Rates
  /** Samples of the batch that is in place. */
  private count = 0

  constructor(protected readonly parts: LoopParts) {
    const { session, feed, options, optimizer, epochs, records } = parts
    this.progress = parts.progress
    this.records = records
    this.told = new Told(session.lock, options)
    const { schedule, validation, signal } = options
    openInside(this, { session, validation, records, signal })
    this.rates = new Rates({ optimizer, schedule, epochs, steps: feed.length, records })
  }

  async run(): Promise<History> {
    const { session, feed, epochs, options } = this.parts
    const { epoch, step } = this.progress
    const resumed = options.resume !== undefined
    const validated = (options.validation ?? options.validationSplit) !== undefined
    const figures = figuresOf(isOfValues(session.loss), validated, options.metrics)
    const start = { epoch, step, epochs, steps: feed.length, resumed, validated, figures }
    let history: History
    try {
      await this.told.start(start, this)
      history = await withSignal(session, options.signal, () => this.allEpochs())
    } catch (error) {
      // What ended the training is what counts, whatever callbacks say to it.
      await this.told.end(undefined, this).catch(() => undefined)
      throw error
    }
    await this.told.end(history, this)
    return history
  }

  private async allEpochs(): Promise<History> {
    const { epochs, options } = this.parts
    const { signal } = options
    while (this.goesOn() && this.progress.epoch < epochs) {
      const record = await this.epoch()
      if (!record) break
      await this.told.epoch(record, this)
    }
    const { stopped } = this.told
    const aborted = signal?.aborted ?? false
    return { epochs: this.records, aborted, ...(stopped === undefined ? {} : { stopped }) }
  }

  private goesOn(): boolean {
    return this.told.stopped === undefined && !this.parts.options.signal?.aborted
  }

  /** The rest of an epoch; undefined where the signal leaves no step of it. */
  private async epoch(): Promise<EpochRecord | undefined> {
    const { session, feed, options } = this.parts
    const { progress } = this
    const { validation } = options
    const times: Times = { steps: [], dataWaitMs: 0, seen: 0, labels: new Set() }
    // What an epoch's callback trained with in between is not this training's.
    session.clipNorm = options.clipNorm
    session.ema = options.ema ?? 0
    feed.startEpoch(progress.epoch)
    const began = performance.now()
    await this.ready(times)
    let from = began
    while (progress.step < feed.length && this.goesOn()) {
      const before = progress.step
      const done = await this.advance(times)
      if (!done) break
      const step = progress.step - 1
      const now = performance.now()
      times.steps.push((now - from) / (progress.step - before))
      from = now
      await this.tell(step, done, times.steps.at(-1) as number)
      if (runsHere(session.workersOf('train'))) await breathe()
    }
    if (progress.sums.steps === 0) return undefined
    const seconds = (performance.now() - began) / 1000
    // An epoch whose validation was stopped is not complete: who goes on from here validates it.
    const measured =
      validation && progress.step === feed.length ? await this.validate(validation, times) : {}
    const partial = progress.step < feed.length || measured === undefined
    const { sums } = progress
    const silent = Object.keys(sums.rates).filter((name) => sums.rates[name] === 0)
    const record: EpochRecord = {
      epoch: progress.epoch + 1,
      trainLoss: meanLoss(sums, feed),
      ...(hasAccuracy(session) ? { trainAccuracy: accuracyOf(sums) } : {}),
      learningRate: this.rates.at(progress.epoch, Math.max(0, progress.step - 1)).learningRate,
      stepMs: times.steps.length > 0 ? median(times.steps) : 0,
      dataWaitMs: times.dataWaitMs,
      samplesPerSecond: times.seen / seconds,
      firingRates: Object.fromEntries(
        Object.entries(sums.rates).map(([name, rate]) => [name, rate / sums.steps]),
      ),
      ...measured,
      ...(silent.length > 0 ? { silent } : {}),
      ...(partial ? { partial } : {}),
    }
    this.records.push(record)
    if (!partial) {
      this.warnOfSilence(record)
      progress.epoch++
      progress.step = 0
      progress.sums = noSums()
    }
    return record
  }

  private async validate(data: Dataset, times: Times): Promise<Partial<EpochRecord> | undefined> {
    const { session, options } = this.parts
    const { signal, numWorkers, metrics } = options
    const asked = { signal, numWorkers, metrics, operations: false }
    const measuring = withAverages(session, () => evaluate(session, data, asked))
    const found = await unlessAborted(signal, measuring)
    if (!found) return undefined
    this.warnOfSplit(found, times)
    const { loss, accuracy, meanAbsoluteError } = found
    return {
      testLoss: loss,
      ...(accuracy === undefined ? {} : { testAccuracy: accuracy }),
      ...(meanAbsoluteError === undefined ? {} : { testMeanAbsoluteError: meanAbsoluteError }),
      ...(found.metrics && { metrics: found.metrics }),
    }
  }

  /** Once a training: who looks at no record would not see why nothing is learnt. */
  private warnOfSilence({ epoch, silent }: EpochRecord): void {
    if (!silent || this.toldSilence) return
    this.toldSilence = true
    warn(
      `no neuron of layer ${listOf(silent)} fired in epoch ${epoch}: nothing is learnt behind ` +
        'it; try another learning rate, more time steps, another seed or a lower threshold',
      'SPIKEWASM_SILENT',
    )
  }

  /** Once a training: accuracy on classes that nobody trained on tells nothing. */
  private warnOfSplit({ perClass = [] }: Evaluation, { labels, seen }: Times): void {
    const { session } = this.parts
    // Where an epoch goes on after a stop, its first part was seen before.
    if (this.toldSplit || labels.size === 0 || seen < this.progress.sums.seen) return
    const unknown = perClass.flatMap(({ count }, c) => (count > 0 && !labels.has(c) ? [c] : []))
    if (unknown.length === 0) return
    this.toldSplit = true
    const names = unknown.map((c) => session.labels?.names[c] ?? `${c}`)
    warn(
      'fit.validationSplit holds back the last samples, and those that were trained on have none ' +
        `of class ${listOf(names)}; shuffle the data first: ` +
        'subset(data, permutation(data.length, 1, 0))',
      'SPIKEWASM_SPLIT',
    )
  }

  /** Before the first step of an epoch, or of the rest of one. */
  protected async ready(times: Times): Promise<void> {
    const { feed } = this.parts
    const { step } = this.progress
    if (step >= feed.length) return
    const began = performance.now()
    this.count = await feed.fill(step, slotOf(step))
    times.dataWaitMs += performance.now() - began
  }

  /**
   * The next step of the epoch, while the batch behind it is prepared; undefined where the signal
   * has ended it.
   */
  protected async advance(times: Times): Promise<Advance | undefined> {
    const { session, feed, options } = this.parts
    const { epoch, step } = this.progress
    const rate = this.rates.at(epoch, step)
    const slot = slotOf(step)
    if (options.validationSplit !== undefined && session.targetFloats === 0)
      for (const label of session.slot(slot).labels.subarray(0, this.count)) times.labels.add(label)
    const running = this.train(slot, this.count, rate)
    const before = performance.now()
    let filled = before
    const fill = async (into: 0 | 1): Promise<number> => {
      const valid = await feed.fill(step + 1, into)
      filled = performance.now()
      return valid
    }
    const filling = fillAhead(session, feed.length, step + 1, running, fill)
    const done = await unlessAborted(options.signal, filling)
    if (!done) return undefined
    const [result, next] = done
    // Alone, filling is time of its own. With workers it happens while they compute, unless they
    // had finished before it had: then count all of it.
    if (runsHere(session.workersOf('train')) || performance.now() - filled < ALREADY_DONE_MS)
      times.dataWaitMs += filled - before
    times.seen += result.count
    const program = session.accumulated > 0 ? 'gradients' : 'train'
    const problem = await nonFinite(session, slot, program)
    // Nothing goes on with gradients that are not finite.
    if (problem !== undefined) {
      session.accumulated = 0
      fail(`step ${step + 1} of epoch ${epoch + 1}: ${problem}`)
    }
    this.count = next
    this.add(result)
    return { result, rate }
  }

  /** One batch; with `accumulate`, the optimizer's step where it is due. */
  private async train(
    slot: 0 | 1,
    count: number,
    { learningRate, factor }: StepRate,
  ): Promise<StepResult> {
    const { session, feed, options } = this.parts
    const { accumulate = 1 } = options
    expectSeveral(session.plan, count)
    if (accumulate === 1) return runStep(session, 'train', slot, count, learningRate, factor)
    const result = await runStep(session, 'gradients', slot, count)
    await session.runApart('accumulate')
    const isLast = this.progress.step + 1 === feed.length
    if (session.accumulated < accumulate && !isLast) return result
    return { ...result, ...(await session.runApart('update', learningRate, factor)) }
  }

  private add({ loss, count, ...result }: StepResult): void {
    const { session, feed } = this.parts
    const { sums } = this.progress
    // The share of a full batch: each sample counts as much.
    const share = loss * (count / feed.full)
    const rates = firingRates(session, session.lastRun)
    addSums(sums, { steps: 1, loss: share, ...rightOf(result, count), seen: count, rates })
    this.progress.step++
  }

  private tell(step: number, { result, rate }: Advance, milliseconds: number): Promise<void> {
    const { session, feed, epochs } = this.parts
    const { epoch, sums } = this.progress
    const { loss, gradientNorm } = result
    const info: StepInfo = {
      epoch,
      epochs,
      step,
      steps: feed.length,
      loss,
      meanLoss: meanLoss(sums, feed),
      ...(hasAccuracy(session) ? { meanAccuracy: accuracyOf(sums) } : {}),
      learningRate: rate.learningRate,
      milliseconds,
      ...(gradientNorm === undefined ? {} : { gradientNorm }),
    }
    return this.told.step(info, this)
  }

  /** @throws SpikewasmError when the first step can have no learning rate */
  checkRate(): void {
    const { epochs, feed } = this.parts
    const { epoch, step } = this.progress
    if (epoch < epochs) this.rates.at(epoch, Math.min(step, feed.length - 1))
  }

  stop(reason?: string): void {
    this.told.stop(reason)
  }

  stateDict() {
    return stateDict(this.parts.session)
  }

  averages(): StateDict | undefined {
    const { session } = this.parts
    return 'average' in trainingOf(session).states ? averages(session) : undefined
  }

  loadStateDict(state: StateDict, average?: StateDict): void {
    const { session } = this.parts
    if (average !== undefined && !('average' in trainingOf(session).states))
      fail('loadStateDict: averages belong to a training with ema; leave them out')
    takeState(session, state)
    if (average) takeOptimizerState(session, { average }, ['average'])
  }

  firingRates(): Record<string, number> {
    return firingRates(this.parts.session, this.parts.session.lastRun)
  }

  snapshot(): Snapshot {
    return this.parts.snapshot(this)
  }
}

const meanLoss = ({ loss, seen }: EpochSums, { full }: Pick<Feed, 'full'>): number =>
  loss / (seen / full)

const slotOf = (step: number): 0 | 1 => (step & 1) as 0 | 1

/** Undefined when the signal ends it. */
async function unlessAborted<T>(
  signal: FitOptions['signal'],
  running: Promise<T>,
): Promise<T | undefined> {
  try {
    return await running
  } catch (error) {
    // Any other error is the data's, though the signal may have come too.
    if (signal?.aborted && error === signal.reason) return undefined
    throw error
  }
}
