/** An exported network in this process. */

import type { NetInfo } from './abi.js'

/** An exported network that runs. Arrays are views of its memory; they stay valid. */
export interface Net {
  readonly info: NetInfo
  readonly memory: WebAssembly.Memory
  /** Where the input goes: [C][H][W], [T][C][H][W] of frames; in train builds a batch of them. */
  readonly input: Float32Array | Uint8Array
  /** What `infer` and `step` give: [classes]. */
  readonly output: Float32Array
  /** One sample in, outputs out. @throws SpikewasmError in a file of mode step */
  infer(): void
  /** One frame in; `output` is the mean since `reset`. @throws SpikewasmError without step */
  step(): void
  /** The next `step` begins a new stream. @throws SpikewasmError without step */
  reset(): void
  /** Index of the largest output, the first of equals. */
  predictedClass(): number
  /** Train builds alone. */
  readonly training: NetTraining | undefined
}

/** What a train build has besides. */
export interface NetTraining {
  /** [B], the classes of the batch. */
  readonly labels: Int32Array
  /** learning_rate, momentum, weight_decay, weight_decay_other. */
  readonly options: Float32Array
  /** Whether momentum is Nesterov's; 0 or 1. */
  readonly nesterov: Uint32Array
  /** Parameters and running statistics, as stored. */
  readonly params: Float32Array
  /** One optimizer step on the batch in `input` and `labels`. */
  trainStep(): void
  /** Mean loss of the last step's batch. */
  loss(): number
  /** Right answers in it. */
  correct(): number
}

/**
 * What an exported network says about itself; it is not run.
 * @throws SpikewasmError when the bytes are no exported network
 */
export function netInfo(_bytes: Uint8Array): NetInfo {
  throw new Error('not yet')
}

/**
 * Checks and instantiates an exported network.
 * @throws SpikewasmError when the bytes are no exported network
 */
export async function openNet(_bytes: Uint8Array): Promise<Net> {
  throw new Error('not yet')
}
