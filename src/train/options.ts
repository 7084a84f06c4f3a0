/** What `fit` takes and gives. */

import { checkSignal, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import { copyOf } from '../base/objects.js'
import {
  aFunction,
  by,
  checkedElsewhere,
  complete,
  integer,
  optional,
  type Rules,
  range,
  such,
  truth,
} from '../base/rules.js'
import { checkLoss, checkPenalties } from '../compile/loss-kind.js'
import { type MethodOptions, methodOptionKeys } from '../compile/methods.js'
import { checkOption, type Optimizer } from '../compile/optimizer-kind.js'
import { type Dataset, expectDataset } from '../data/datasets/dataset.js'
import { checkClipNorm } from '../engine/run/training.js'
import { classNames } from '../network/labels.js'
import { checkNames, checkSchedule, type Names, type Schedule } from '../network/optimizer.js'
import type { Loss, RatePenalty } from '../nn/loss/kinds.js'
import { type Callback, checkCallbacks } from './callback.js'
import { checkNumWorkers } from './evaluate.js'
import { checkMetrics, type Metrics } from './metrics.js'
import type { EpochRecord, StepInfo } from './records.js'

/**
 * Options of `fit`; each has a default. Options of a method (`method`, `stepMode`, …) make the
 * model change to it before training starts, for later calls too.
 */
export interface FitOptions extends MethodOptions {
  /**
   * Passes over the data, an integer ≥ 1; default 1. With `initialEpoch`: the epoch at which
   * training ends, as in Keras.
   */
  epochs?: number
  /**
   * The first epoch, counted from 0; the order of the data depends on it. Default: where the last
   * `fit` of the model has ended. With `resume` it must be that of the run.
   */
  initialEpoch?: number
  /**
   * Begins at epoch 0 with a fresh optimizer; parameters stay. Default false: `fit` goes on where
   * the last one has ended, momentum included.
   */
  fresh?: boolean
  /**
   * A checkpoint to go on from, to the bit: its bytes, its path, or a folder of a run. Where the
   * folder holds none yet, or a `checkpoint` of `callbacks` is to make it, training starts at the
   * beginning. The network, the data, callbacks that keep something, and all options that numbers
   * depend on must be the same; `compile`'s threads need not. What functions of your own do cannot
   * be compared: a schedule, a data set's `read` and callbacks must do the same as before. Of a
   * data set of your own 16 samples are compared; of those of this package, all.
   */
  resume?: string | Uint8Array
  /**
   * Rule of the parameters' steps, as for `compile`; default: the model's, `sgd()` at first. As
   * with `method`, `loss` and `penalties`, what is given becomes the model's and holds for later
   * calls.
   */
  optimizer?: Optimizer | string
  /** Factor of the learning rate; default `constant()`. */
  schedule?: Schedule
  /**
   * Loss that training makes small, or a text for `custom`; default: the model's, which `compile`
   * or an earlier `fit` was given.
   */
  loss?: Loss | string
  /**
   * Penalties on firing rates, added to the loss; default: the model's, which `compile` or an
   * earlier `fit` was given. `penalties: []` takes them away.
   */
  penalties?: readonly RatePenalty[]
  /**
   * Gradients whose norm, of all parameters together, is above it are scaled down to it, as by
   * PyTorch's clip_grad_norm_; > 0. Default: no bound.
   */
  clipNorm?: number
  /**
   * Batches whose gradients are averaged for one step of the optimizer, an integer ≥ 1; the last
   * step of an epoch may have fewer. Default 1.
   */
  accumulate?: number
  /**
   * Keeps a moving average of the parameters: after each step, average ← ema·average + (1 −
   * ema)·parameter; 0…1, 1 excluded. Validation uses it, `model.averages()` gives it. Default: no
   * average is kept.
   */
  ema?: number
  /**
   * Whether a last batch that is not full is left out. false: it is trained with as well, filled
   * with repeats, which count for the statistics of batchNorm2d and for firing rates, but not for
   * loss, accuracy and gradients. A data set smaller than a batch is always filled. Default true.
   */
  dropLast?: boolean
  /** Parameters or layers that stay as they are, by name. Running statistics go on. */
  freeze?: Names
  /** What the classes are called, as for `compile`; default: the model's, else the data set's. */
  labels?: readonly string[]
  /** Data that the model is evaluated on after each epoch. */
  validation?: Dataset
  /**
   * Share of the data, its last samples before anything is shuffled, that the model is evaluated on
   * after each epoch instead of being trained with, 0…1 (both excluded), as in Keras. They are not
   * augmented. Not with `validation`.
   */
  validationSplit?: number
  /**
   * Measures of your own of the validation data, behind each epoch; see `Metric`. Records have them
   * as `metrics`, `monitor: 'metrics.NAME'` judges epochs by one.
   */
  metrics?: Metrics
  /** Called while the model trains, in this order, behind `onStep` and `onEpoch`. */
  callbacks?: readonly Callback[]
  /**
   * Called after each step; awaited. It may read the model (`stateDict`, `save`, `gradients`,
   * `firingRates`, …) and call `loadStateDict` or `resetOptimizer`. Other operations are refused,
   * those too that would wait for their turn, because the next batch is already in place.
   */
  onStep?: (info: StepInfo) => unknown
  /**
   * Called after each epoch and its validation; training goes on when its promise has resolved. It
   * may call every operation of the model except `fit` and `loadCheckpoint`.
   */
  onEpoch?: (record: EpochRecord) => unknown
  /**
   * Threads that prepare batches ahead of the steps: read, decode, shuffle, augment, convert; at
   * most 64. 0: none, the calling thread does it between or during steps. They take data sets of
   * this package (loaders, `fromArrays`, `fromBytes`, `subset`, `augment`). An object with a `read`
   * of your own is read on the calling thread in any case, and so is everything in a page. Default:
   * 1 where there is enough to prepare. Batches are the same, bit for bit, for any number.
   */
  numWorkers?: number
  /** Ends the training after the running step; `fit` then returns with `aborted: true`. */
  signal?: host.AbortSignal
}

/** What each option must be. */
const rulesOf = (): Rules<FitOptions> => ({
  epochs: integer(1, undefined, 1),
  initialEpoch: optional(integer(0)),
  fresh: optional(truth()),
  resume: optional(
    such(
      'a path or the bytes of a checkpoint',
      (resume) => typeof resume === 'string' || resume instanceof Uint8Array,
    ),
  ),
  optimizer: optional(by(checkOption)),
  schedule: optional(by(checkSchedule)),
  loss: optional(by(checkLoss)),
  penalties: optional(by(checkPenalties)),
  clipNorm: optional(by(checkClipNorm)),
  accumulate: optional(integer(1)),
  ema: optional(range('0…1 (1 excluded)')),
  dropLast: optional(truth()),
  freeze: optional(by(checkNames)),
  labels: optional(classNames),
  validation: optional(by(expectDataset)),
  validationSplit: optional(range('0…1 (both excluded)')),
  metrics: optional(by(checkMetrics)),
  callbacks: optional(by(checkCallbacks)),
  onStep: aFunction(),
  onEpoch: aFunction(),
  numWorkers: optional(by(checkNumWorkers)),
  signal: optional(by(checkSignal)),
  ...checkedElsewhere<MethodOptions>(methodOptionKeys),
})

/** A copy, for a training that goes on: data and callbacks are the caller's and may change. */
export const ownFitOptions = (options: FitOptions): FitOptions =>
  copyOf(options, ['validation', 'callbacks', 'metrics'])

/** @throws SpikewasmError for options that are unknown, out of range, or exclude one another */
export function checkFitOptions(options: FitOptions): void {
  const { epochs = 1, initialEpoch, fresh, resume, ...all } = complete('fit', rulesOf(), options)
  if (initialEpoch !== undefined && !(initialEpoch < epochs))
    fail(
      `fit.epochs is the epoch at which training ends where initialEpoch is given: it must be ` +
        `above ${initialEpoch}, got ${epochs}`,
    )
  if (resume !== undefined && fresh === true)
    fail('fit.resume says where training goes on: leave fresh out')
  if (all.validation !== undefined && all.validationSplit !== undefined)
    fail('fit.validation and fit.validationSplit exclude one another; leave one out')
}

/** @throws SpikewasmError for what a checkpoint must not say of the step and the loss */
export function checkTraining(options: FitOptions): void {
  const { loss, penalties, clipNorm, accumulate, ema, freeze } = options
  complete('fit', rulesOf(), { loss, penalties, clipNorm, accumulate, ema, freeze })
}
