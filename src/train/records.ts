/** What a training tells of itself. */

import { type EpochFigures, figureOf, type Monitor, modeOf } from '../network/optimizer.js'

/** What `onStep` is told after a training step. */
export interface StepInfo {
  /** The epoch, counted from 0. */
  readonly epoch: number
  /** The epoch at which the training ends. */
  readonly epochs: number
  /** The step within the epoch, counted from 0. */
  readonly step: number
  /** Steps of an epoch. */
  readonly steps: number
  /** Loss of the batch. */
  readonly loss: number
  /** Mean loss of the epoch so far. */
  readonly meanLoss: number
  /** Accuracy of the epoch so far, 0…1; absent where the loss is of targets. */
  readonly meanAccuracy?: number
  /** Learning rate of the step: the optimizer's times the schedule's factor. */
  readonly learningRate: number
  /** Milliseconds that this step took, waiting for data included. */
  readonly milliseconds: number
  /**
   * With `clipNorm`, in steps of the optimizer: norm of the gradients of all parameters, before
   * they were clipped.
   */
  readonly gradientNorm?: number
}

/** What `onEpoch` is told after an epoch, and what `fit` returns for each. */
export interface EpochRecord extends EpochFigures {
  /** Median milliseconds of the epoch's steps, waiting for data included. */
  readonly stepMs: number
  /** Upper bound of the milliseconds that the epoch's steps waited for their data. */
  readonly dataWaitMs: number
  /** Training samples per second; validation does not count. */
  readonly samplesPerSecond: number
  /** Spikes per neuron and time step, mean over the epoch, 0…1, by layer name. */
  readonly firingRates: Record<string, number>
  /** Layers that did not fire once in the epoch, by name; absent where all did. */
  readonly silent?: readonly string[]
  /** Present, and true, where the training was stopped within the epoch. */
  readonly partial?: true
}

/** What `fit` returns. */
export interface History {
  /**
   * One record for each epoch; the last epoch is a shorter one if the signal ended it. With
   * `resume`, epochs from before are there too.
   */
  readonly epochs: EpochRecord[]
  /** Whether the signal ended the training. */
  readonly aborted: boolean
  /** Why a callback ended the training, if one did. */
  readonly stopped?: string
}

// Which epoch is the best so far.

/** What chooses the best epoch where nobody says it. */
function usualOf({ testAccuracy, testLoss }: EpochRecord): Monitor {
  if (testAccuracy !== undefined) return 'testAccuracy'
  return testLoss === undefined ? 'trainLoss' : 'testLoss'
}

/** The figure of an epoch, if it is better than the best so far. */
export function betterOf(
  record: EpochRecord,
  best: number | null,
  monitor: Monitor = usualOf(record),
): number | undefined {
  const value = figureOf(record, monitor)
  return value !== undefined && isBetter(value, best, modeOf(monitor)) ? value : undefined
}

/** Whether a figure is better than the best so far, by more than `minDelta`. */
export function isBetter(
  value: number,
  best: number | null,
  mode: 'min' | 'max',
  minDelta = 0,
): boolean {
  if (!Number.isFinite(value)) return false
  if (best === null) return true
  return mode === 'min' ? value < best - minDelta : value > best + minDelta
}

/** Whether a training came to the end of its last epoch. */
export function isFinished(history: History | undefined, epochs: number): boolean {
  const last = history?.epochs.at(-1)
  return last?.epoch === epochs && !last.partial
}

/**
 * Tells of each record whether it is the best so far.
 *
 * @param before records of epochs before
 */
export function bestSoFar(
  monitor: Monitor | undefined,
  before: readonly EpochRecord[] = [],
): (record: EpochRecord) => boolean {
  let best: number | null = null
  const isBest = (record: EpochRecord): boolean => {
    const better = record.partial ? undefined : betterOf(record, best, monitor)
    best = better ?? best
    return better !== undefined
  }
  for (const record of before) isBest(record)
  return isBest
}
