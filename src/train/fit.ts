/** The training loop: batches prepared one ahead, one message to the workers a step. */

import { Batches } from '../data/batches.js'
import type { Dataset } from '../data/dataset.js'
import { checkOptions, describe, expect, SpikewasmError } from '../errors.js'
import { median } from '../median.js'
import { checkOptimizer, checkRate, constant, type Schedule, type Sgd, sgd } from '../optimizer.js'
import { type MethodOptions, methodOptionKeys, pickMethodOptions } from '../plan/methods.js'
import { programOf } from '../runtime/arena.js'
import { nonFinite } from '../runtime/non-finite.js'
import type { Session } from '../runtime/session.js'
import { firingRates } from '../runtime/views.js'
import { breathe, checkDataset, checkSignal, evaluate, fillAhead, fillBatch } from './evaluate.js'

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
  const { epochs = 1, optimizer = sgd(), schedule = constant(), validation, signal } = options
  expect(
    Number.isInteger(epochs) && epochs >= 1,
    () => `fit.epochs must be an integer ≥ 1, got ${epochs}`,
  )
  checkOptimizer('fit.optimizer', optimizer)
  checkSignal('fit.signal', signal)
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
  /** Whether steps run on this thread. */
  const here = session.workersOf('train') === 1

  const batches = new Batches(data, {
    batchSize: session.batchSize,
    training: true,
    seed: session.seed,
    dropLast: true,
  })
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
    batches.startEpoch(epoch)
    const times: number[] = []
    const rates: Record<string, number> = {}
    let [lossSum, correct, seen, dataWaitMs] = [0, 0, 0, 0]
    const began = performance.now()
    let start = began
    fillBatch(session, batches, 0, 0)
    dataWaitMs += performance.now() - start
    for (let step = 0; step < batches.length && !signal?.aborted; step++) {
      const running = session.run('train', (step & 1) as 0 | 1, session.batchSize, learningRate)
      const before = performance.now()
      const ahead = fillAhead(session, batches, step + 1, running)
      const filled = performance.now()
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
        steps: batches.length,
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
