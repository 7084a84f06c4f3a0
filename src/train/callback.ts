/** What is called while a model trains. */

import { checkOptions, describe, expect, SpikewasmError } from '../errors.js'
import type { StateDict } from '../runtime/state.js'
import type { EpochRecord, History, StepInfo } from './records.js'
import type { Snapshot } from './snapshot.js'

/** Where a training begins. */
export interface FitStart {
  /** The first epoch, counted from 0, and its first step. */
  readonly epoch: number
  readonly step: number
  /** The epoch at which the training ends. */
  readonly epochs: number
  /** Steps of an epoch. */
  readonly steps: number
  /** Whether `fit` was given `resume`, also where no checkpoint had been written yet. */
  readonly resumed: boolean
  /** Whether epochs are validated, so that their records have `testLoss` and `testAccuracy`. */
  readonly validated: boolean
  /** Whether the loss is of targets, not of labels, so that records have no accuracies. */
  readonly values: boolean
}

/** What a callback can do to the training that called it. */
export interface Training {
  /**
   * Ends the training: behind this step where a step's callback asks, else behind this epoch.
   * @param reason becomes `history.stopped`
   */
  stop(reason: string): void
  /** Parameters and running statistics by PyTorch's names; copies. */
  stateDict(): StateDict
  /** As `model.averages()`; undefined in a training without `ema`. */
  averages(): StateDict | undefined
  /**
   * Takes over parameters and running statistics, and in a training with `ema` moving averages, as
   * `averages()` gives them; without them, averages stay as they are.
   */
  loadStateDict(state: StateDict, averages?: StateDict): void
  /** Spikes per neuron and time step of the last step, 0…1, by layer name. */
  firingRates(): Record<string, number>
  /** All that is needed to go on from here, to the bit. */
  snapshot(): Snapshot
}

/**
 * What is called while a model trains. Each function may return a promise, which is awaited; an
 * error ends the training. A step's callback may read the model (`stateDict`, `gradients`,
 * `firingRates`, …) and call `loadStateDict` or `resetOptimizer`; an epoch's may call every
 * operation but `fit`.
 */
export interface Callback {
  /** Tells it from others in messages, and its state in checkpoints. */
  readonly name: string
  onFitStart?(start: FitStart, training: Training): unknown
  /** After each step. */
  onStep?(info: StepInfo, training: Training): unknown
  /** After each epoch and its validation. */
  onEpoch?(record: EpochRecord, training: Training): unknown
  /** When the training has ended, also where an error ended it; files are closed here. */
  onFitEnd?(history: History | undefined, training: Training): unknown
  /**
   * What a checkpoint keeps of it: plain data, NaN and Infinity included. Other values are refused.
   */
  state?(): unknown
  /** Arrays that a checkpoint keeps of it beside `state`, by names of its own. */
  tensors?(): StateDict
  /** Goes on from what `state` and `tensors` gave. */
  restore?(state: unknown, tensors: StateDict): void
  /** Called behind all others, because it saves what they have done. Default false. */
  readonly last?: boolean
}

const hooks = [
  'onFitStart',
  'onStep',
  'onEpoch',
  'onFitEnd',
  'state',
  'tensors',
  'restore',
] as const

/** @throws SpikewasmError for what is no list of callbacks, or two of one name */
export function checkCallbacks(name: string, callbacks: readonly Callback[]): void {
  expect(
    Array.isArray(callbacks),
    () => `${name} must be an array of callbacks, got ${describe(callbacks)}`,
  )
  const names = new Set<string>()
  for (const [i, callback] of callbacks.entries()) {
    const where = `${name}[${i}]`
    checkOptions(where, callback, ['name', 'last', ...hooks])
    expect(
      typeof callback.name === 'string' && callback.name !== '',
      () => `${where}.name must be a text, got ${describe(callback.name)}`,
    )
    for (const hook of hooks)
      expect(
        callback[hook] === undefined || typeof callback[hook] === 'function',
        () => `${where}.${hook} must be a function, got ${describe(callback[hook])}`,
      )
    if (names.has(callback.name))
      throw new SpikewasmError(
        `${name}: two callbacks are named ${JSON.stringify(callback.name)}; give one another name`,
      )
    names.add(callback.name)
  }
}
