/** What a session is made for, and what it gives. */

import type * as host from '../host.js'
import type { CompileOptions } from './compile-options.js'

/** What a training step found on its batch, with the parameters from before the step. */
export interface StepResult {
  /** The loss of the batch, penalties included; cross entropy is in nats. */
  readonly loss: number
  /** Penalties on firing rates, as part of `loss`; 0 without any. */
  readonly penalty: number
  /** Samples with the largest output at their label; 0 where targets are numbers. */
  readonly correct: number
  /** Samples of the batch. */
  readonly count: number
  /** With `clipNorm`: norm of the gradients of all parameters, before they were clipped. */
  readonly gradientNorm?: number
}

/** One of the two places for a batch in the model's memory; views. */
export interface Slot {
  /** [B][H][W][C], or [B][H][W][T][C] with `frames`. */
  readonly images: Float32Array
  /** [B] */
  readonly labels: Int32Array
  /** Wanted outputs [B · outputs], where the loss is of them: `mse({ targets: 'values' })`. */
  readonly targets?: Float32Array
}

/** Options of `compile` that stay for all plans, complete. */
export interface Settings
  extends Readonly<
      Required<
        Pick<CompileOptions, 'timeSteps' | 'batchSize' | 'threads' | 'seed' | 'frames' | 'inspect'>
      >
    >,
    Readonly<Required<Pick<CompileOptions, 'engine' | 'purpose'>>>,
    Readonly<Pick<CompileOptions, 'worker' | 'wasm'>> {
  /** Layers of neurons whose spikes can be read after a run. */
  readonly record: readonly string[]
  /** Names whose values can be, by layers of neurons. */
  readonly states: Readonly<Record<string, readonly string[] | 'all'>>
  /** Whether wide vectors were asked for and are on. */
  readonly revectorized: boolean
}

/** Options of `trainStep`; each has a default. */
export interface StepOptions {
  /**
   * Whether the optimizer runs; default true. false: forward and backward alone, parameters and
   * momentum stay as they are.
   */
  update?: boolean
  /**
   * Learning rate of this step, ≥ 0; default `model.optimizer.lr`. Those of groups change by the
   * same factor.
   */
  lr?: number
  /**
   * Gradients whose norm, of all parameters together, is above it are scaled down to it, as by
   * PyTorch's clip_grad_norm_; > 0. Default: none are.
   */
  clipNorm?: number
}

/** Options of `save`. */
export interface SaveOptions {
  /**
   * Writes the moving averages that `fit` keeps with `ema` instead of the parameters. Default
   * false.
   */
  averages?: boolean
  /** Ends the waiting for its turn; `save` then rejects with the signal's reason. */
  signal?: host.AbortSignal
}

/** What `step` tells of a stream. */
export interface StreamStep {
  /** Steps since `reset`, this one included. */
  readonly steps: number
  /** Mean over the steps so far of the last layer's output, [B, classes]. */
  readonly logits: Float32Array
  /** Index of the largest of them for each sample, [B]. */
  readonly classes: Int32Array
  /** Spikes of each neuron layer since `reset`, of all samples together, by layer name. */
  readonly spikes: Readonly<Record<string, number>>
}
