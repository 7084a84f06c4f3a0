/** Ends a training that no longer improves. */

import { complete, integer, oneOf, optional, range, truth } from '../../base/rules.js'
import { partOf, prefixed, type StateDict } from '../../engine/memory/state.js'
import * as v from '../../engine/vendor/valibot/index.js'
import {
  expectFigure,
  type Monitor,
  modeOf,
  monitored,
  monitorRule,
} from '../../network/optimizer.js'
import { type Callback, exclusive, type Training } from '../callback.js'
import { expectSameOption, keptAs, nameOf } from '../callback-state.js'
import { isBetter, isFinished } from '../records.js'

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
  /** Whether small or large figures are good; default: 'min' for losses and errors, by
   * their names, else 'max'. */
  mode?: 'min' | 'max'
  /**
   * Whether the model ends with the parameters and running statistics of its best epoch; default
   * false. They count too when all epochs have been trained, but not when the signal stopped the
   * training, which may go on then. With `ema` its moving averages come back too.
   */
  restoreBest?: boolean
  /** Its name, which no other callback may have; default 'earlyStopping'. */
  name?: string
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))

/** What it keeps from checkpoint to checkpoint. */
const schema = v.object({
  kind: v.literal('earlyStopping'),
  best: v.nullable(v.number()),
  bestEpoch: count,
  waited: count,
  /** As they were given or are by default: with others it would end elsewhere. */
  options: v.looseObject({}),
})

type Kept = Omit<v.InferOutput<typeof schema>, 'kind' | 'options'>

/** Weights of an epoch. */
interface Weights {
  readonly model: StateDict
  /** With `ema`. */
  readonly averages: StateDict | undefined
}

/** What begins with a prefix, without it; undefined where nothing does. */
function found(tensors: StateDict, prefix: string): StateDict | undefined {
  const part = partOf(tensors, prefix)
  return Object.keys(part).length > 0 ? part : undefined
}

const rules = {
  name: nameOf('earlyStopping'),
  monitor: monitorRule('testLoss'),
  patience: integer(1, undefined, 5),
  minDelta: range('≥ 0', 0),
  mode: optional(oneOf(['min', 'max'] as const)),
  restoreBest: truth(false),
}

/** Why a training ends that no longer improves. */
const reasonOf = (monitor: Monitor, { waited, best, bestEpoch }: Kept): string =>
  `${monitor} has not improved for ${waited} epoch${waited === 1 ? '' : 's'}; ` +
  (best === null ? 'it was never finite' : `best ${best} in epoch ${bestEpoch}`)

/**
 * Ends the training when a figure has not improved for some epochs, as Keras' EarlyStopping;
 * `history.stopped` says so. It counts the epochs of one `fit`, those before a `resume` included.
 *
 * @throws SpikewasmError for wrong options; when training starts, for a figure that needs
 *   validation data where there are none
 */
export function earlyStopping(options: EarlyStoppingOptions = {}, ...more: []): Callback {
  const { name, ...given } = complete('earlyStopping', rules, options, more)
  const own = { ...given, mode: given.mode ?? modeOf(given.monitor) }
  const { monitor, patience, minDelta, mode, restoreBest } = own
  let kept: Kept = { best: null, bestEpoch: 0, waited: 0 }
  let weights: Weights | undefined
  let restored = false
  const stopIfDue = (training: Training): void => {
    if (kept.waited >= patience) training.stop(`${name}: ${reasonOf(monitor, kept)}`)
  }
  return exclusive({
    name,
    begin({ figures, resumed, epochs }, training) {
      expectFigure(`${name}.monitor`, monitor, figures)
      if (!restored || !resumed) {
        kept = { best: null, bestEpoch: 0, waited: 0 }
        weights = undefined
      }
      restored = false
      // The process may have ended between the checkpoint of the last epoch and the end.
      stopIfDue(training)
      return {
        onEpoch(record, training) {
          if (record.partial) return
          const value = monitored('earlyStopping.monitor', monitor, record)
          if (isBetter(value, kept.best, mode, minDelta)) {
            kept = { best: value, bestEpoch: record.epoch, waited: 0 }
            if (restoreBest)
              weights = { model: training.stateDict(), averages: training.averages() }
            return
          }
          kept = { ...kept, waited: kept.waited + 1 }
          stopIfDue(training)
        },
        onFitEnd(history, training) {
          const ended = history?.stopped !== undefined || isFinished(history, epochs)
          if (ended && weights) training.loadStateDict(weights.model, weights.averages)
          // A training that was stopped goes on later: the checkpoint behind this holds them.
          if (ended || !history) weights = undefined
        },
      }
    },
    state: () => ({ kind: 'earlyStopping', ...kept, options: own }),
    tensors: () => ({
      ...prefixed('model.', weights?.model),
      ...prefixed('average.', weights?.averages),
    }),
    restore(state, tensors) {
      const { kind: _, options: was, ...rest } = keptAs(name, schema, state)
      for (const [key, value] of Object.entries(own))
        expectSameOption(`${name}.${key}`, was[key], value)
      kept = rest
      restored = true
      const model = found(tensors, 'model.')
      weights = model && { model, averages: found(tensors, 'average.') }
    },
  })
}
