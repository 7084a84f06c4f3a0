/** Learning-rate schedules: factors of the optimizer's learning rate. */

import { expect } from '../errors.js'

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
  readonly records: readonly object[]
}

/**
 * A learning-rate schedule: takes an epoch, counted from 0, and the epoch at which the training
 * ends, and returns the factor (≥ 0) of the optimizer's learning rate. Any function is one; it is
 * asked at the start of each epoch. `perStep` makes one that is asked at each step.
 */
export interface Schedule {
  (epoch: number, epochs: number, at: ScheduleAt): number
  /** When it is asked; default 'epoch'. */
  readonly by?: 'epoch' | 'step'
  /** What made it, for messages and checkpoints; a function of one's own has none. */
  readonly kind?: string
  /** What it was made with. */
  readonly options?: Readonly<Record<string, unknown>>
}

/** A schedule that needs no more than the epoch. */
export interface EpochSchedule extends Schedule {
  (epoch: number, epochs: number): number
}

/** A schedule that says what made it. */
function made(
  kind: string,
  options: Schedule['options'],
  by: 'epoch' | 'step',
  factor: (epoch: number, epochs: number) => number,
): EpochSchedule {
  return Object.assign((epoch: number, epochs: number): number => factor(epoch, epochs), {
    kind,
    options,
    by,
  })
}

/**
 * A schedule from 1 towards 0 along half a cosine, one step an epoch: (1 + cos(π·epoch/epochs)) /
 * 2, as PyTorch's CosineAnnealingLR with T_max = epochs.
 */
export function cosine(): EpochSchedule {
  return made(
    'cosine',
    {},
    'epoch',
    (epoch, epochs) => (1 + Math.cos((Math.PI * epoch) / epochs)) / 2,
  )
}

/** A schedule that is always 1. */
export function constant(): EpochSchedule {
  return made('constant', {}, 'epoch', () => 1)
}

/**
 * A schedule that divides the learning rate by `factor` after every `every` epochs.
 * @param every epochs, an integer ≥ 1
 * @param factor ≥ 1; default 10
 * @throws SpikewasmError when an argument is out of range
 */
export function stepDecay(every: number, factor = 10): EpochSchedule {
  expect(
    Number.isInteger(every) && every >= 1,
    () => `stepDecay.every must be an integer ≥ 1, got ${every}`,
  )
  expect(
    Number.isFinite(factor) && factor >= 1,
    () => `stepDecay.factor must be ≥ 1, got ${factor}`,
  )
  return made(
    'stepDecay',
    { every, factor },
    'epoch',
    (epoch) => factor ** -Math.floor(epoch / every),
  )
}
