/** The training loop: batches prepared one ahead, one message to the workers a step. */

import type { Dataset } from '../data/dataset.js'
import { checkOptions, describe, expect, SpikewasmError } from '../errors.js'
import { median } from '../median.js'
import { checkOptimizer, checkRate, constant, type Schedule, type Sgd, sgd } from '../optimizer.js'
import { type MethodOptions, methodOptionKeys, pickMethodOptions } from '../plan/methods.js'
import { programOf } from '../runtime/arena.js'
import { breathe } from '../runtime/breathe.js'
import { nonFinite } from '../runtime/non-finite.js'
import type { Session } from '../runtime/session.js'
import { firingRates } from '../runtime/views.js'
import { checkDataset, checkSignal, evaluate, fillAhead } from './evaluate.js'
import { checkNumWorkers, Feed } from './feed.js'

/** What `onStep` is told after a training step. */
export interface StepInfo {
  /** The epoch, counted from 0. */
  readonly epoch: number
  /** Number of epochs. */
  readonly epochs: number
  /** The step within the epoch, counted from 0. */
  readonly step: number
  /** Steps of an epoch. */
  readonly steps: number
  /** Mean cross entropy of the batch, in nats. */
  readonly loss: number
  /** Mean loss of the epoch so far, in nats. */
  readonly meanLoss: number
  /** Accuracy of the epoch so far, 0…1. */
  readonly meanAccuracy: number
  /** Milliseconds that this step took, waiting for data included. */
  readonly milliseconds: number
}

/** What `onEpoch` is told after an epoch, and what `fit` returns for each. */
export interface EpochRecord {
  /** The epoch, counted from 1. */
  readonly epoch: number
  /** Mean cross entropy of the epoch's training steps, in nats. */
  readonly trainLoss: number
  /** Accuracy over the epoch's training steps, 0…1. */
  readonly trainAccuracy: number
  /**
   * Mean cross entropy on the validation data, in nats; absent without such data, and where the
   * signal ended the validation.
   */
  readonly testLoss?: number
  /** Accuracy on the validation data, 0…1; absent where `testLoss` is. */
  readonly testAccuracy?: number
  /** Learning rate of the epoch: the optimizer's times the schedule's factor. */
  readonly learningRate: number
  /** Median milliseconds of the epoch's steps, waiting for data included. */
  readonly stepMs: number
  /** Upper bound of the milliseconds that the epoch's steps waited for their data. */
  readonly dataWaitMs: number
  /** Training samples per second; validation does not count. */
  readonly samplesPerSecond: number
  /** Spikes per neuron and time step, mean over the epoch, 0…1, by layer name. */
  readonly firingRates: Record<string, number>
}

/** What `fit` returns. */
export interface History {
  /** One record for each epoch; the last epoch is a shorter one if the signal ended it. */
  readonly epochs: EpochRecord[]
  /** Whether the signal ended the training. */
  readonly aborted: boolean
}

/**
 * Options of `fit`; each has a default. Options of a method (`method`, `stepMode`, …) make the
 * model change to it before training starts.
 */
export interface FitOptions extends MethodOptions {
  /** Passes over the data, an integer ≥ 1; default 1. */
  epochs?: number
  /** Rule of the parameters' steps; default `sgd()`. */
  optimizer?: Sgd
  /** Factor of the learning rate in each epoch; default `constant()`. */
  schedule?: Schedule
  /** Data that the model is evaluated on after each epoch. */
  validation?: Dataset
  /**
   * Called after each step. It may read the model (`stateDict`, `save`, `gradients`, `firingRates`,
   * …) and, before it returns, call `loadStateDict` or `resetOptimizer`. Other operations are
   * refused, because the next batch is already in place.
   */
  onStep?: (info: StepInfo) => void
  /**
   * Called after each epoch and its validation; training goes on when its promise has resolved. It
   * may call every operation of the model except `fit`.
   */
  onEpoch?: (record: EpochRecord) => void | Promise<void>
  /**
   * Threads that prepare batches ahead of the steps: shuffle, augment, convert. 0: none, the
   * calling thread does it between or during steps. 1: one of its own. It takes data sets of this
   * package (loaders, `fromArrays`, `fromBytes`, `subset`, `augment`). An object with a `read` of
   * your own is read on the calling thread in any case, and so is everything in a page. Default: 1
   * where there is enough to prepare. Batches are the same, bit for bit.
   */
  numWorkers?: 0 | 1
  /** Ends the training after the running step; `fit` then returns with `aborted: true`. */
  signal?: AbortSignal
}

const known = [
  'epochs',
  'optimizer',
  'schedule',
  'validation',
  'onStep',
  'onEpoch',
  'numWorkers',
  'signal',
  ...methodOptionKeys,
]

/**
 * A step that resolves faster than this after the next batch was ready may have been waiting for
 * it.
 */
const ALREADY_DONE_MS = 0.1

/** `Model.fit`. The caller must hold the model's lock. */
export async function fit(
  session: Session,
  data: Dataset,
  options: FitOptions = {},
): Promise<History> {
  checkOptions('fit', options, known)
  const { epochs = 1, optimizer = sgd(), validation, signal } = options
  expect(
    Number.isInteger(epochs) && epochs >= 1,
    () => `fit.epochs must be an integer ≥ 1, got ${epochs}`,
  )
  checkOptimizer('fit.optimizer', optimizer)
  checkSignal('fit.signal', signal)
  checkNumWorkers('fit.numWorkers', options.numWorkers)
  for (const key of ['schedule', 'onStep', 'onEpoch'] as const)
    expect(
      options[key] === undefined || typeof options[key] === 'function',
      () => `fit.${key} must be a function, got ${describe(options[key])}`,
    )
  checkDataset(session, data)
  if (validation) checkDataset(session, validation)
  expect(
    data.length >= session.batchSize,
    () =>
      `the data ${data.name} has ${data.length} samples, fewer than one batch of ` +
      `${session.batchSize}; compile with a smaller batchSize`,
  )
  programOf(session, 'train')
  const method = pickMethodOptions(options)
  if (Object.keys(method).length > 0)
    await session.replan({
      method: session.plan.options.method,
      ...(method.method === undefined ? { stepMode: session.plan.options.stepMode } : {}),
      ...method,
    })
  session.optimizer = optimizer
  session.clearMomentum()
  const feed = await Feed.open(session, data, epochs, options.numWorkers)
  try {
    return await train(session, feed, epochs, options)
  } finally {
    await feed.close()
  }
}

/** The epochs, with options that are checked. */
async function train(
  session: Session,
  feed: Feed,
  epochs: number,
  options: FitOptions,
): Promise<History> {
  const { schedule = constant(), validation, signal } = options
  const { optimizer } = session
  /** Whether steps run on this thread. */
  const here = session.workersOf('train') === 1
  const records: EpochRecord[] = []
  for (let epoch = 0; epoch < epochs; epoch++) {
    if (signal?.aborted) break
    const factor = schedule(epoch, epochs)
    expect(
      typeof factor !== 'function',
      () => 'fit.schedule must give a number, got a function; call its maker: cosine(), not cosine',
    )
    checkRate(`fit.schedule(${epoch}, ${epochs})`, factor)
    const learningRate = optimizer.lr * factor
    checkRate('fit.optimizer.lr times the factor of fit.schedule', learningRate)
    feed.startEpoch(epoch)
    const times: number[] = []
    const rates: Record<string, number> = {}
    let [lossSum, correct, seen, dataWaitMs] = [0, 0, 0, 0]
    const began = performance.now()
    let start = began
    await feed.fill(0, 0)
    dataWaitMs += performance.now() - start
    for (let step = 0; step < feed.length && !signal?.aborted; step++) {
      const running = session.run('train', (step & 1) as 0 | 1, session.batchSize, learningRate)
      const before = performance.now()
      let filled = before
      const ahead = fillAhead(session, feed.length, step + 1, running, async (slot) => {
        const filling = await feed.fill(step + 1, slot)
        filled = performance.now()
        return filling
      })
      const [{ loss, correct: right, count }] = await Promise.all([running, ahead])
      // Alone, filling is time of its own. With workers it happens while they compute, unless they
      // had finished before it had: then count all of it.
      if (here || performance.now() - filled < ALREADY_DONE_MS) dataWaitMs += filled - before
      const problem = nonFinite(session, (step & 1) as 0 | 1)
      if (problem !== undefined)
        throw new SpikewasmError(`step ${step + 1} of epoch ${epoch + 1}: ${problem}`)
      lossSum += loss
      correct += right
      seen += count
      for (const [name, rate] of Object.entries(firingRates(session, session.lastRun)))
        rates[name] = (rates[name] ?? 0) + rate
      const now = performance.now()
      times.push(now - start)
      start = now
      const info: StepInfo = {
        epoch,
        epochs,
        step,
        steps: feed.length,
        loss,
        meanLoss: lossSum / times.length,
        meanAccuracy: correct / seen,
        milliseconds: times[times.length - 1],
      }
      session.lock.pause(() => options.onStep?.(info))
      if (here) await breathe()
    }
    if (times.length === 0) break
    const seconds = (performance.now() - began) / 1000
    for (const name of Object.keys(rates)) rates[name] /= times.length
    const record: EpochRecord = {
      epoch: epoch + 1,
      trainLoss: lossSum / times.length,
      trainAccuracy: correct / seen,
      learningRate,
      stepMs: median(times),
      dataWaitMs,
      samplesPerSecond: seen / seconds,
      firingRates: rates,
      ...(validation && !signal?.aborted ? await validate(session, validation, signal) : {}),
    }
    records.push(record)
    await session.lock.lend(() => options.onEpoch?.(record))
  }
  return { epochs: records, aborted: signal?.aborted ?? false }
}

/** Nothing when the signal ends it. */
async function validate(
  session: Session,
  data: Dataset,
  signal: AbortSignal | undefined,
): Promise<{ testLoss?: number; testAccuracy?: number }> {
  try {
    const { loss, accuracy } = await evaluate(session, data, { signal })
    return { testLoss: loss, testAccuracy: accuracy }
  } catch (error) {
    if (signal?.aborted) return {}
    throw error
  }
}
