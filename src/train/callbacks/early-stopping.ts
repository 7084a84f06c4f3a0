/** Ends a training that no longer improves. */

import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import {
  checkMonitor,
  expectFigure,
  type Monitor,
  modeOf,
  monitored,
} from '../../optimizer/index.js'
import type { StateDict } from '../../runtime/state.js'
import type { Callback, Training } from '../callback.js'

/** Options of `earlyStopping`; each has a default. */
export interface EarlyStoppingOptions {
  /** The figure that has to improve; default 'testLoss', which needs validation data. */
  monitor?: Monitor
  /**
   * Epochs in a row without a better figure after which training ends, an integer ≥ 1; default 5.
   */
  patience?: number
  /** A figure is better when it is so by more than this, ≥ 0; default 0. */
  minDelta?: number
  /** Whether small or large figures are good; default: 'max' for accuracies, else 'min'. */
  mode?: 'min' | 'max'
  /**
   * Whether the model ends with the parameters and running statistics of its best epoch; default
   * false. They count too when all epochs have been trained, but not when the signal stopped the
   * training, which may go on then. With `ema` its moving averages come back too.
   */
  restoreBest?: boolean
}

/** What it keeps from checkpoint to checkpoint. */
interface Kept {
  readonly best: number | null
  readonly bestEpoch: number
  readonly waited: number
}

/** Those of an epoch. */
interface Weights {
  readonly model: StateDict
  /** With `ema`. */
  readonly averages: StateDict | undefined
}

const prefixed = (prefix: string, state: StateDict = {}): StateDict =>
  Object.fromEntries(Object.entries(state).map(([name, tensor]) => [prefix + name, tensor]))

/** What begins with a prefix, without it; undefined where nothing does. */
function part(tensors: StateDict, prefix: string): StateDict | undefined {
  const found = Object.entries(tensors).filter(([name]) => name.startsWith(prefix))
  if (found.length === 0) return undefined
  return Object.fromEntries(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]))
}

/**
 * Ends the training when a figure has not improved for some epochs, as Keras' EarlyStopping;
 * `history.stopped` says so. It counts the epochs of one `fit`, those before a `resume` included.
 *
 * @throws SpikewasmError for wrong options; when training starts, for a figure that needs
 *   validation data where there are none
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const known = ['monitor', 'patience', 'minDelta', 'mode', 'restoreBest']
  checkOptions('earlyStopping', options, known)
  const { monitor = 'testLoss', patience = 5, minDelta = 0 } = options
  checkMonitor('earlyStopping.monitor', monitor)
  expect(
    Number.isInteger(patience) && patience >= 1,
    () => `earlyStopping.patience must be an integer ≥ 1, got ${describe(patience)}`,
  )
  expect(
    Number.isFinite(minDelta) && minDelta >= 0,
    () => `earlyStopping.minDelta must be ≥ 0, got ${describe(minDelta)}`,
  )
  const { mode = modeOf(monitor) } = options
  expect(
    mode === 'min' || mode === 'max',
    () => `earlyStopping.mode must be 'min' or 'max', got ${describe(mode)}`,
  )
  const restoreBest = checkBoolean('earlyStopping.restoreBest', options.restoreBest, false)

  const none: Kept = { best: null, bestEpoch: 0, waited: 0 }
  let kept = none
  let weights: Weights | undefined
  let epochs = 0
  let restored = false
  const stopIfDue = (training: Training): void => {
    const { waited, best, bestEpoch } = kept
    if (waited < patience) return
    training.stop(
      `earlyStopping: ${monitor} has not improved for ${waited} ` +
        `epoch${waited === 1 ? '' : 's'}; ` +
        (best === null ? 'it was never finite' : `best ${best} in epoch ${bestEpoch}`),
    )
  }
  const isBetter = (value: number): boolean => {
    if (!Number.isFinite(value)) return false
    if (kept.best === null) return true
    return mode === 'min' ? value < kept.best - minDelta : value > kept.best + minDelta
  }
  return {
    name: 'earlyStopping',
    onFitStart(start, training) {
      expectFigure('earlyStopping.monitor', monitor, start.figures)
      epochs = start.epochs
      // A callback may be used for one fit after another.
      if (!restored) [kept, weights] = [none, undefined]
      restored = false
      // The process may have ended between the checkpoint of the last epoch and the end.
      stopIfDue(training)
    },
    onEpoch(record, training) {
      if (record.partial) return
      const value = monitored('earlyStopping.monitor', monitor, record)
      if (isBetter(value)) {
        kept = { best: value, bestEpoch: record.epoch, waited: 0 }
        if (restoreBest) weights = { model: training.stateDict(), averages: training.averages() }
        return
      }
      kept = { ...kept, waited: kept.waited + 1 }
      stopIfDue(training)
    },
    onFitEnd(history, training) {
      const last = history?.epochs.at(-1)
      const ended = history?.stopped !== undefined || (last?.epoch === epochs && !last.partial)
      if (ended && weights) training.loadStateDict(weights.model, weights.averages)
      weights = undefined
    },
    state: (): Kept => kept,
    tensors: () => ({
      ...prefixed('model.', weights?.model),
      ...prefixed('average.', weights?.averages),
    }),
    restore(state, tensors) {
      kept = state as Kept
      restored = true
      const model = part(tensors, 'model.')
      weights = model && { model, averages: part(tensors, 'average.') }
    },
  }
}
