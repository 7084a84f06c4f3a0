/** What a session is made for, and what it gives. */

import type { Purpose } from '../plan/plan.js'

/** What a training step found on its batch, with the parameters from before the step. */
export interface StepResult {
  /** Mean cross entropy of the batch, in nats. */
  readonly loss: number
  /** Samples with the largest output at their label. */
  readonly correct: number
  /** Samples of the batch. */
  readonly count: number
}

/** One of the two places for a batch in the model's memory; views. */
export interface Slot {
  /** [B][H][W][C], or [B][H][W][T][C] with `frames`. */
  readonly images: Float32Array
  /** [B] */
  readonly labels: Int32Array
}

export interface Settings {
  readonly timeSteps: number
  readonly batchSize: number
  readonly threads: number
  readonly seed: number
  readonly frames: boolean
  readonly inspect: boolean
  readonly engine: 'release' | 'debug'
  readonly purpose: Purpose
  /** Whether wide vectors were asked for and are on. */
  readonly revectorized: boolean
}
