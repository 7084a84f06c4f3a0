/** Figures of an epoch by which a training is judged. */

import { SpikewasmError } from '../errors.js'

/** What an epoch is judged by. */
export type Monitor =
  | 'testAccuracy'
  | 'testLoss'
  | 'testMeanAbsoluteError'
  | 'trainAccuracy'
  | 'trainLoss'

/** What can be judged by. */
export const monitors: readonly Monitor[] = [
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
  /** Learning rate of the epoch's last step: the optimizer's times the schedule's factor. */
  readonly learningRate: number
}

/** Whether small is good: losses and errors are better when they are lower. */
export const modeOf = (monitor: Monitor): 'min' | 'max' =>
  monitor.endsWith('Accuracy') ? 'max' : 'min'

/**
 * The figures that the epochs of a training have.
 *
 * @param values whether the loss is of targets, not of labels
 * @param validated whether epochs are validated
 */
export const figuresOf = (values: boolean, validated: boolean): readonly Monitor[] =>
  monitors.filter((monitor) => {
    const isOfKind = monitor.endsWith('Loss') || monitor.endsWith('Error') === values
    return isOfKind && (validated || monitor.startsWith('train'))
  })

/** @throws SpikewasmError unless a figure is one of those that epochs have */
export function expectFigure(name: string, monitor: Monitor, figures: readonly Monitor[]): void {
  if (figures.includes(monitor)) return
  const found = figures.map((figure) => `'${figure}'`).join(' or ')
  const hasLabels = figures.includes('trainAccuracy')
  const why =
    monitor.endsWith('Accuracy') && !hasLabels
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
  const found = monitors.filter((figure) => typeof record[figure] === 'number')
  expectFigure(name, monitor, found)
  return record[monitor] as number
}
