/** What a training tells of itself. */

import type { EpochFigures } from '../network/optimizer.js'

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
