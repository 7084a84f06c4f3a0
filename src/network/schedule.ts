/** Learning-rate schedules: factors of the optimizer's learning rate. */

import { checkArguments, checkInteger, describe, fail, SpikewasmError } from '../base/errors.js'
import { own } from '../base/objects.js'
import * as is from '../base/rules.js'
import { checkBy, complete, type Rule, type Rules } from '../base/rules.js'

// Figures of an epoch by which a training is judged.

/** What an epoch is judged by: `metrics.NAME` is one of the metrics that `fit` was given. */
export type Monitor =
  | 'testAccuracy'
  | 'testLoss'
  | 'testMeanAbsoluteError'
  | 'trainAccuracy'
  | 'trainLoss'
  | `metrics.${string}`

/** What can be judged by, beside metrics. */
export const monitors: readonly Exclude<Monitor, `metrics.${string}`>[] = [
  'testAccuracy',
  'testLoss',
  'testMeanAbsoluteError',
  'trainAccuracy',
  'trainLoss',
]

/** What schedules read of an epoch. Records of `fit` have more; which are there, see there. */
export interface EpochFigures {
  /** The epoch, counted from 1. */
  readonly epoch: number
  /** Mean loss of the epoch's training steps. */
  readonly trainLoss: number
  /** Accuracy over the epoch's training steps, 0…1; absent where the loss is of targets. */
  readonly trainAccuracy?: number
  /**
   * Mean loss on the validation data; absent without such data, and where the signal ended the
   * validation.
   */
  readonly testLoss?: number
  /**
   * Accuracy on the validation data, 0…1; absent where `testLoss` is, and where the loss is of
   * targets.
   */
  readonly testAccuracy?: number
  /** Mean of |output − target| on the validation data; present where the loss is of targets. */
  readonly testMeanAbsoluteError?: number
  /** What the metrics of `fit` say of the validation data, by name; absent without them. */
  readonly metrics?: Readonly<Record<string, number>>
  /** Learning rate of the epoch's last step: the optimizer's times the schedule's factor. */
  readonly learningRate: number
}

/** Whether small is good: losses and errors are better when they are lower, by their names. */
export const modeOf = (monitor: Monitor): 'min' | 'max' =>
  /(loss|error)$/i.test(monitor) ? 'min' : 'max'

const prefix = 'metrics.'

/** What a monitor may be. */
export const monitorRule = <P extends Monitor | undefined>(preset?: P): Rule<Monitor> =>
  is.such<Monitor>(
    `one of ${monitors.join(', ')}, or metrics.NAME of a metric of fit`,
    (value) => monitors.some((name) => name === value) || `${value}`.startsWith(prefix),
    preset,
  )

/** A figure of a record; undefined where it has none. */
export const figureOf = (record: Partial<EpochFigures>, monitor: Monitor): number | undefined => {
  const known = monitors.find((name) => name === monitor)
  return known ? record[known] : own(record.metrics ?? {}, monitor.slice(prefix.length))
}

/**
 * The figures that the epochs of a training have.
 *
 * @param values whether the loss is of targets, not of labels
 * @param validated whether epochs are validated
 * @param metrics of `fit`, by name
 */
export const figuresOf = (
  values: boolean,
  validated: boolean,
  metrics: object = {},
): readonly Monitor[] => [
  ...monitors.filter((monitor) => {
    const isOfKind = monitor.endsWith('Loss') || monitor.endsWith('Error') === values
    return isOfKind && (validated || monitor.startsWith('train'))
  }),
  ...Object.keys(metrics).map((name): Monitor => `metrics.${name}`),
]

/** @throws SpikewasmError unless a figure is one of those that epochs have */
export function expectFigure(name: string, monitor: Monitor, figures: readonly Monitor[]): void {
  if (figures.includes(monitor)) return
  const found = figures.map((figure) => `'${figure}'`).join(' or ')
  const hasLabels = figures.includes('trainAccuracy')
  const why = monitor.startsWith(prefix)
    ? 'which fit.metrics has not; give it, or use '
    : monitor.endsWith('Accuracy') && !hasLabels
      ? 'which needs labels, and the loss is of targets; use '
      : monitor.endsWith('Error') && hasLabels
        ? 'which needs a loss of targets, and this one is of labels; use '
        : 'which needs validation data; give fit.validation, or use '
  throw new SpikewasmError(
    `${name} must be a figure that epochs have, got ${monitor}, ${why}${found}`,
  )
}

/**
 * A figure of an epoch's record.
 * @throws SpikewasmError where the record has none
 */
export function monitored(name: string, monitor: Monitor, record: Partial<EpochFigures>): number {
  const value = figureOf(record, monitor)
  const found = monitors.filter((figure) => typeof record[figure] === 'number')
  if (value === undefined) expectFigure(name, monitor, found)
  return value as number
}

/** Where a training stands when a schedule is asked. */
export interface ScheduleAt {
  /** The epoch, counted from 0. */
  readonly epoch: number
  /** The epoch at which the training ends. */
  readonly epochs: number
  /** Steps so far in all epochs, counted from 0. */
  readonly step: number
  /** Steps of all epochs together. */
  readonly steps: number
  /** What the epochs before have measured, the oldest first. */
  readonly records: readonly EpochFigures[]
}

/** When a schedule is asked: at the start of each epoch, or at each step. */
export type ScheduleBy = 'epoch' | 'step'

/**
 * A learning-rate schedule: takes an epoch, counted from 0, and the epoch at which the training
 * ends, and returns the factor (≥ 0) of the optimizer's learning rate. Any function is one; it is
 * asked at the start of each epoch. `perStep` makes one that is asked at each step.
 */
export interface Schedule {
  (epoch: number, epochs: number, at: ScheduleAt): number
  /** When it is asked; default 'epoch'. */
  readonly by?: ScheduleBy
  /** What made it, for messages and checkpoints; a function of one's own has none. */
  readonly kind?: string
  /** What it was made with. */
  readonly options?: Readonly<Record<string, unknown>>
  /** The figure of an epoch that it reads, if any. */
  readonly monitor?: Monitor
}

/** A schedule that needs no more than the epoch. */
export interface EpochSchedule extends Schedule {
  (epoch: number, epochs: number): number
}

/** A schedule that says what made it. */
function made(
  kind: string,
  options: NonNullable<Schedule['options']>,
  by: ScheduleBy,
  factor: Schedule,
  monitor?: Monitor,
): EpochSchedule {
  const schedule = (epoch: number, epochs: number, at?: ScheduleAt): number =>
    factor(epoch, epochs, at as ScheduleAt)
  return Object.assign(schedule, { kind, options, by, ...(monitor ? { monitor } : {}) })
}

/** What a schedule is asked by; without a place where it is called by hand. */
type Asked = readonly [epoch: number, epochs: number, at?: ScheduleAt]

/** The place in epochs or steps, and the number of them. */
const placeOf = (by: ScheduleBy, ...[epoch, epochs, at]: Asked): readonly [number, number] =>
  // Called by hand, without a place in steps, an epoch counts as one.
  by === 'step' ? [at?.step ?? epoch, at?.steps ?? epochs] : [epoch, epochs]

/** Makers of schedules, by which one given in place of a schedule is known. */
const makers = ['constant', 'cosine', 'linearWarmup', 'oneCycle', 'stepDecay', 'plateau', 'perStep']

/** A function that makes a schedule of options. */
type Maker<O> = (options?: O) => Schedule

/** A function that knows that it makes schedules: no list of all holds those that nobody calls. */
const maker = <F extends (...of: never[]) => Schedule>(name: string, most: number, make: F): F => {
  const checked = (...of: Parameters<F>): Schedule => {
    checkArguments(name, of.slice(most))
    return make(...of)
  }
  return Object.assign(checked as F, { maker: name })
}

/**
 * A schedule that is always 1.
 * @function
 */
export const constant: () => EpochSchedule = maker('constant', 0, () =>
  made('constant', {}, 'epoch', () => 1),
)

/** Whether a schedule counts epochs or steps. */
const byRule = (preset: ScheduleBy): Rule<ScheduleBy> => is.oneOf(['epoch', 'step'], preset)

/** Options of `cosine`; each has a default. */
export interface CosineOptions {
  /** Epochs (or steps) of a linear warm-up before it, an integer ≥ 0; default 0. */
  warmup?: number
  /** The factor that it falls towards, 0…1; default 0. */
  min?: number
  /** Whether it counts epochs or steps; default 'epoch'. */
  by?: ScheduleBy
}

/**
 * A schedule from 1 towards `min` along half a cosine: min + (1 − min)·(1 + cos(π·n/N))/2 in epoch
 * (or step) n of N, as PyTorch's CosineAnnealingLR with T_max = N. With `warmup` the factor first
 * rises as that of `linearWarmup`, and n and N count from its end.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const cosine: { (): EpochSchedule; (options?: CosineOptions): Schedule } = maker(
  'cosine',
  1,
  (options: CosineOptions = {}): EpochSchedule => {
    const rules: Rules<Required<CosineOptions>> = {
      warmup: is.integer(0, undefined, 0),
      min: is.range('0…1', 0),
      by: byRule('epoch'),
    }
    const { warmup, min, by } = complete('cosine', rules, options)
    return made('cosine', { ...options }, by, (epoch, epochs, at) => {
      const [n, all] = placeOf(by, epoch, epochs, at)
      if (n < warmup) return (n + 1) / warmup
      return min + ((1 - min) * (1 + Math.cos((Math.PI * (n - warmup)) / (all - warmup)))) / 2
    })
  },
)

/**
 * A linear warm-up, and then another schedule: the factor is (n + 1)/length times the first of
 * `then` in epoch (or step) n < length. `then` counts from the end of the warm-up; one by epochs
 * behind a warm-up by steps counts epochs from the beginning. The same as PyTorch's SequentialLR
 * of LinearLR(start_factor = 1/length, total_iters = length − 1) and the other.
 *
 * @param length epochs (or steps) of the warm-up, an integer ≥ 1
 * @param then the schedule behind it; default `constant()`
 * @param options `by`: whether `length` counts epochs or steps; default 'epoch'
 * @throws SpikewasmError when an argument is out of range
 * @function
 */
export const linearWarmup: (
  length: number,
  then?: Schedule,
  options?: Pick<CosineOptions, 'by'>,
) => Schedule = maker('linearWarmup', 3, (length, then = constant(), options = {}) => {
  checkInteger("linearWarmup's length", length, 1)
  expectNoMaker("linearWarmup's second argument", then)
  if (typeof then !== 'function')
    fail(`linearWarmup's second argument must be a schedule, got ${describe(then)}`)
  const { by } = complete('linearWarmup', { by: byRule('epoch') }, options)
  const shown = { length, next: { kind: then.kind ?? 'a function', options: then.options }, by }
  const whole = by === 'step' || then.by === 'step' ? 'step' : 'epoch'
  const factor: Schedule = (epoch, epochs, at) => {
    const [n] = placeOf(by, epoch, epochs, at)
    const behind = after(length, by, epoch, epochs, at)
    const value = then(behind.epoch, behind.epochs, behind)
    return n < length ? (value * (n + 1)) / length : value
  }
  return made('linearWarmup', shown, whole, factor, then.monitor)
})

/** A place counted from the end of a warm-up; within the warm-up the first one behind it. */
function after(length: number, by: ScheduleBy, ...[epoch, epochs, at]: Asked): ScheduleAt {
  const { step = epoch, steps = epochs, records = [] } = at ?? {}
  const inSteps = by === 'step' ? length : (length * steps) / epochs
  const later = { step: Math.max(0, step - inSteps), steps: Math.max(1, steps - inSteps) }
  if (by === 'step') return { ...later, epoch, epochs, records }
  return {
    ...later,
    epoch: Math.max(0, epoch - length),
    epochs: Math.max(1, epochs - length),
    records: records.filter(({ epoch }) => epoch > length),
  }
}

/** Options of `oneCycle`; each has a default, PyTorch's. */
export interface OneCycleOptions {
  /** Share of the training in which the factor rises, 0…1 (both excluded); default 0.3. */
  warmup?: number
  /** The factor begins at 1/divFactor; ≥ 1, default 25. */
  divFactor?: number
  /** The factor ends at 1/(divFactor·finalDivFactor); ≥ 1, default 10,000. */
  finalDivFactor?: number
  /** Along half a cosine, or a line; default 'cos'. */
  anneal?: 'cos' | 'linear'
  /** Whether it counts epochs or steps; default 'step'. */
  by?: ScheduleBy
}

/**
 * One cycle (Smith and Topin, 2017), as PyTorch's OneCycleLR: the factor rises from 1/divFactor to
 * 1, the optimizer's learning rate being the largest, and then falls to nearly nothing. Momentum
 * stays as it is.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const oneCycle: Maker<OneCycleOptions> = maker('oneCycle', 1, (options = {}) => {
  const rules: Rules<Required<OneCycleOptions>> = {
    warmup: is.range('0…1 (both excluded)', 0.3),
    divFactor: is.range('≥ 1', 25),
    finalDivFactor: is.range('≥ 1', 1e4),
    anneal: is.oneOf(['cos', 'linear'], 'cos'),
    by: byRule('step'),
  }
  const { warmup, divFactor, finalDivFactor, anneal, by } = complete('oneCycle', rules, options)
  const start = 1 / divFactor
  const way = (from: number, to: number, share: number): number =>
    anneal === 'linear'
      ? from + (to - from) * share
      : to + ((from - to) * (1 + Math.cos(Math.PI * share))) / 2
  return made('oneCycle', { ...options }, by, (epoch, epochs, at) => {
    const [n, all] = placeOf(by, epoch, epochs, at)
    const top = warmup * all - 1
    if (n <= top) return top > 0 ? way(start, 1, n / top) : 1
    const last = all - 1
    return last > top ? way(1, start / finalDivFactor, (n - top) / (last - top)) : 1
  })
})

/**
 * A schedule that divides the learning rate by `factor` after every `every` epochs, as PyTorch's
 * StepLR, or at each epoch of a list, as its MultiStepLR.
 *
 * @param every epochs, an integer ≥ 1; or epochs, counted from 0, in rising order
 * @param factor ≥ 1; default 10
 * @throws SpikewasmError when an argument is out of range
 * @function
 */
export const stepDecay: (every: number | readonly number[], factor?: number) => EpochSchedule =
  maker('stepDecay', 2, (every, factor = 10) => {
    const isCount = (n: unknown): boolean => Number.isInteger(n) && (n as number) >= 1
    const isRising = (list: readonly number[]): boolean =>
      list.length > 0 && list.every((n, i) => isCount(n) && (i === 0 || n > list[i - 1]))
    if (!(Array.isArray(every) ? isRising(every) : isCount(every))) {
      const order = Array.isArray(every) ? ' in rising order' : ''
      const must = `must be an integer ≥ 1, or a list of them${order}`
      fail(`stepDecay.every ${must}, got ${describe(every)}`)
    }
    checkBy('stepDecay.factor', is.range('≥ 1'), factor)
    const milestones = typeof every === 'number' ? undefined : [...every]
    return made(
      'stepDecay',
      { every: milestones ?? every, factor },
      'epoch',
      (epoch) =>
        factor **
        -(milestones
          ? milestones.filter((milestone) => milestone <= epoch).length
          : Math.floor(epoch / (every as number))),
    )
  })

/** Options of `plateau`; each has a default, PyTorch's but for the figure. */
export interface PlateauOptions {
  /** The figure that has to improve; default 'testLoss', which needs validation data. */
  monitor?: Monitor
  /** What the learning rate is multiplied with, 0…1 (both excluded); default 0.1. */
  factor?: number
  /** Epochs without a better figure that are borne, an integer ≥ 0; default 10. */
  patience?: number
  /** The factor never falls below, 0…1; default 0. */
  min?: number
  /** Share of the best figure by which a better one must differ, ≥ 0; default 1e-4. */
  threshold?: number
}

/**
 * A schedule that multiplies the learning rate by `factor` when a figure has not improved for more
 * than `patience` epochs, as PyTorch's ReduceLROnPlateau. It counts the epochs of one `fit`, those
 * before a `resume` included.
 *
 * @throws SpikewasmError when an option is unknown or out of range
 * @function
 */
export const plateau: Maker<PlateauOptions> = maker('plateau', 1, (options = {}) => {
  const rules: Rules<Required<PlateauOptions>> = {
    monitor: monitorRule('testLoss'),
    factor: is.such(
      'in 0…1 (both excluded), since the learning rate is multiplied with it',
      is.range('0…1 (both excluded)').fits,
      0.1,
    ),
    patience: is.integer(0, undefined, 10),
    min: is.range('0…1', 0),
    threshold: is.range('≥ 0', 1e-4),
  }
  const { monitor, factor, patience, min, threshold } = complete('plateau', rules, options)
  const isBetter = (value: number, best: number | undefined): boolean => {
    if (Number.isNaN(value)) return false
    if (best === undefined) return true
    return modeOf(monitor) === 'min'
      ? value < best * (1 - threshold)
      : value > best * (1 + threshold)
  }
  // A function of the records alone: who resumes needs no state.
  const value: Schedule = (_epoch, _epochs, at) => {
    let [current, bad] = [1, 0]
    let best: number | undefined
    for (const record of at?.records ?? []) {
      const figure = monitored('plateau.monitor', monitor, record)
      if (isBetter(figure, best)) [best, bad] = [figure, 0]
      else bad++
      if (bad > patience) [current, bad] = [Math.max(current * factor, min), 0]
    }
    return current
  }
  return made('plateau', { ...options }, 'epoch', value, monitor)
})

/** The factor at a place. */
type StepFactor = (at: ScheduleAt) => number

/**
 * A schedule of one's own that is asked at each step.
 *
 * @param factor takes the place (`step`, `steps`, `epoch`, `epochs`) and gives the factor, ≥ 0
 * @throws SpikewasmError when it is no function
 * @function
 */
export const perStep: (factor: StepFactor) => Schedule = maker('perStep', 1, (factor) => {
  if (typeof factor !== 'function')
    fail(`perStep takes a function from a place to a factor, got ${describe(factor)}`)
  return Object.assign((_epoch: number, _epochs: number, at: ScheduleAt) => factor(at), {
    by: 'step' as const,
  })
})

/** @throws SpikewasmError for what is no schedule */
export function checkSchedule(name: string, schedule: Schedule): void {
  expectNoMaker(name, schedule)
  if (typeof schedule !== 'function') fail(`${name} must be a function, got ${describe(schedule)}`)
}

/** @throws SpikewasmError for a maker of schedules, or its name, in place of what it makes */
function expectNoMaker(name: string, found: unknown): void {
  if (typeof found === 'string') {
    if (makers.includes(found))
      fail(`${name} must be a function, got ${describe(found)}; call its maker: ${found}()`)
    return
  }
  const { maker } = Object(found) as { readonly maker?: unknown }
  if (typeof found === 'function' && typeof maker === 'string')
    fail(`${name} must give a number, got a function; call its maker: ${maker}(), not ${maker}`)
}

// Numbers that a step of an optimizer takes.

/** Whether a value is a number ≥ 0 that stays finite in float32, as the kernels take it. */
export const isRate = (value: number): boolean =>
  Number.isFinite(value) && value >= 0 && Number.isFinite(Math.fround(value))

const MOST = 3.4e38
const LEAST = 1.4e-45

/** A number ≥ 0 that is neither too large nor 0 in float32 alone. */
export const rate = (preset?: number): Rule<number> =>
  is.by((name, value) => {
    const got = describe(value)
    if (Number.isFinite(value) && value > 0 && !isRate(value))
      fail(`${name} must be at most ${MOST}, the largest number of float32, got ${got}`)
    if (!isRate(value)) fail(`${name} must be ≥ 0, got ${got}`)
    if (value !== 0 && Math.fround(value) === 0)
      fail(`${name} must be 0 or at least ${LEAST}, the smallest number of float32, got ${got}`)
  }, preset)

/** @throws SpikewasmError unless `value` can be the learning rate of a step */
export function checkRate(name: string, value: number): void {
  if (!isRate(value)) fail(`${name} must be a finite number ≥ 0, got ${describe(value)}`)
}
