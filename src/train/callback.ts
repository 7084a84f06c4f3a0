/** What is called while a model trains. */

import { checkBoolean, describe, fail } from '../base/errors.js'
import type * as host from '../base/host.js'
import type { Dataset } from '../data/datasets/dataset.js'
import type { StateDict } from '../engine/memory/state.js'
import type { Session } from '../engine/session.js'
import type { CheckpointContent } from '../files/checkpoint.js'
import type { Monitor } from '../network/optimizer.js'
import type { EpochRecord, History, StepInfo } from './records.js'

// What callbacks of ours see of a training beside its hooks.

export interface Inside {
  readonly session: Session
  /** What epochs are validated with. */
  readonly validation?: Dataset
  /** Records of the epochs so far, from before a resume too. */
  readonly records: readonly EpochRecord[]
  /** What ends it early. */
  readonly signal?: host.AbortSignal
}

const insides = new WeakMap<Training, Inside>()

export function openInside(training: Training, inside: Inside): void {
  insides.set(training, inside)
}

/** Undefined for what is no training of `fit`. */
export const insideOf = (training: Training): Inside | undefined => insides.get(training)

/** Where a training begins. */
export interface FitStart {
  /** The first epoch, counted from 0. */
  readonly epoch: number
  /** The first step within it; not 0 where a run goes on amid an epoch. */
  readonly step: number
  /** The epoch at which the training ends. */
  readonly epochs: number
  /** Steps of an epoch. */
  readonly steps: number
  /** Whether `fit` was given `resume`, also where no checkpoint had been written yet. */
  readonly resumed: boolean
  /** Whether epochs are validated, so that their records have `testLoss` and `testAccuracy`. */
  readonly validated: boolean
  /** The figures that records of complete epochs have, of those that can be monitored. */
  readonly figures: readonly Monitor[]
}

/** What a callback can do to the training that called it. */
export interface Training {
  /**
   * Ends the training: behind this step where a step's callback asks, else behind this epoch.
   * @param reason becomes `history.stopped`; default 'stopped by callback NAME'
   */
  stop(reason?: string): void
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
  snapshot(): CheckpointContent
}

/**
 * What is called while a model trains. Each function may return a promise, which is awaited; an
 * error ends the training. A step's callback may read the model (`stateDict`, `gradients`,
 * `firingRates`, …) and call `loadStateDict` or `resetOptimizer`; all others may call every
 * operation but `fit` and `loadCheckpoint`. An object of a class is one too, with fields of its
 * own.
 */
export interface Callback {
  /** Tells it from others in messages, and its state in checkpoints. */
  readonly name: string
  /** Before the first step. */
  onFitStart?(start: FitStart, training: Training): unknown
  /** After each step. */
  onStep?(info: StepInfo, training: Training): unknown
  /** After each epoch and its validation. */
  onEpoch?(record: EpochRecord, training: Training): unknown
  /**
   * When the training has ended; files are closed here. The history is undefined where an error
   * ended it. All callbacks that have begun are told, whatever others throw.
   */
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

/** Those that a training calls. */
const calls = ['onFitStart', 'onStep', 'onEpoch', 'onFitEnd'] as const
const functions = [...calls, 'state', 'tensors', 'restore'] as const

/** @throws SpikewasmError for what is no list of callbacks, or two of one name */
export function checkCallbacks(name: string, callbacks: readonly Callback[]): void {
  if (!Array.isArray(callbacks))
    fail(`${name} must be an array of callbacks, got ${describe(callbacks)}`)
  const names = new Set<string>()
  for (const [i, callback] of callbacks.entries()) {
    checkCallback(`${name}[${i}]`, callback)
    if (names.has(callback.name))
      fail(
        `${name}: two callbacks are named ${JSON.stringify(callback.name)}; give one another name`,
      )
    names.add(callback.name)
  }
}

/** It may have any members of its own, but none that looks like a hook and would not be called. */
function checkCallback(where: string, callback: Callback): void {
  if (typeof callback !== 'object' || callback === null || Array.isArray(callback))
    fail(
      `${where} must be a callback: an object with a name and hooks such as onEpoch, got ` +
        describe(callback),
    )
  const known: readonly string[] = calls
  for (const member of membersOf(callback))
    if (/^on[A-Z]/.test(member) && !known.includes(member))
      fail(`${where}.${member} is not a hook; known are ${calls.join(', ')}`)
  if (typeof callback.name !== 'string' || callback.name === '')
    fail(`${where}.name must be a text, got ${describe(callback.name)}`)
  for (const key of functions)
    if (callback[key] !== undefined && typeof callback[key] !== 'function')
      fail(`${where}.${key} must be a function, got ${describe(callback[key])}`)
  checkBoolean(`${where}.last`, callback.last, false)
}

/** Names of its own members, and of those of its classes. */
function membersOf(value: object): string[] {
  const names: string[] = []
  for (let at = value; at && at !== Object.prototype; at = Object.getPrototypeOf(at))
    names.push(...Object.getOwnPropertyNames(at))
  return names
}

// Callbacks that keep something from hook to hook serve one training at a time.

/** What is called in one training. */
export type FitHooks = Pick<Callback, 'onFitStart' | 'onStep' | 'onEpoch' | 'onFitEnd'>

interface ExclusiveCallback extends Omit<Callback, keyof FitHooks> {
  /** Hooks for a training that starts, before its `onFitStart`. */
  begin(start: FitStart, training: Training): FitHooks | Promise<FitHooks>
  /** Whether its hooks have `onStep`: the loop stops behind no step for others. */
  readonly steps?: boolean
}

/**
 * A callback for one `fit` after the other, with hooks made anew for each: a second one at the same
 * time is refused before it begins, and touches nothing of the first.
 */
export function exclusive({ begin, steps, ...callback }: ExclusiveCallback): Callback {
  const { name, restore } = callback
  let user: Training | undefined
  let hooks: FitHooks = {}
  const expectFree = (): void => {
    if (user !== undefined)
      fail(
        `the callback ${JSON.stringify(name)} is in use by a fit that runs; make one ` +
          'for each fit, or wait until the other has ended',
      )
  }
  return {
    ...callback,
    async onFitStart(start, training) {
      expectFree()
      user = training
      hooks = {}
      hooks = await begin(start, training)
      await hooks.onFitStart?.(start, training)
    },
    ...(steps && { onStep: (info, training) => hooks.onStep?.(info, training) }),
    onEpoch: (record, training) => hooks.onEpoch?.(record, training),
    async onFitEnd(history, training) {
      // It also ends a fit that was refused.
      if (training !== user) return
      try {
        await hooks.onFitEnd?.(history, training)
      } finally {
        user = undefined
        hooks = {}
      }
    },
    ...(restore && {
      restore(state, tensors) {
        expectFree()
        restore(state, tensors)
      },
    }),
  }
}
