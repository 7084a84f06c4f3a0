/** What `compile` and `loadModel` take. */

import type * as host from '../base/host.js'
import type { EngineKind, Purpose } from '../compile/context.js'
import type { MethodOptions } from '../compile/methods.js'
import type { Optimizer } from '../compile/optimizer-kind.js'
import type { InputShape, InputShapes } from '../network/value.js'
import type { WeightType } from '../network/weights.js'
import type { Loss, RatePenalty } from '../nn/loss/kinds.js'
import type { EngineSource } from './load.js'

/**
 * Options of `compile`. All but `input` have a default.
 *
 * `I`: what `input` is, the sizes of one input or of several by name.
 */
export interface CompileOptions<I extends InputShape | InputShapes = InputShape>
  extends MethodOptions {
  /**
   * Sizes of one sample: [features] of a vector, [channels, length] of a series, or [channels,
   * height, width] of an image. Layers see a series as an image of one row, [channels, 1, length].
   * Several inputs have names, `{ image: [3, 32, 32], state: [4] }`; the network is then a block
   * whose forward function takes them by name, `(m, { image, state }) => …`.
   */
  input: I
  /**
   * T, time steps for which each sample is presented, an integer 1…4096; default 4. A stream may go
   * on for longer.
   */
  timeSteps?: number
  /** B, samples of a step, an integer ≥ 1; default 64, with purpose 'stream' 1. */
  batchSize?: number
  /**
   * The most worker threads that it uses, 1…256. With 1 the network runs on the calling thread; in
   * a page on a worker, so that the page stays free. A page that is not cross-origin isolated has
   * one worker; see docs/web.md. `fit` may start more, which prepare batches; see its
   * `numWorkers`. Default 1.
   */
  threads?: number
  /** Seed of initialisation, shuffling, dropout and augmentation, 0…2³² − 1; default 0. */
  seed?: number
  /**
   * Whether inputs differ from time step to time step, [B, T, C, H, W] instead of [B, C, H, W];
   * default false.
   */
  frames?: boolean
  /**
   * Whether rates and eligibilities stay readable after a step, for `activity`, `stepRates` and
   * `diagnostics`; takes more memory. Default false.
   */
  inspect?: boolean
  /**
   * Whether a training step keeps the gradient of the loss by its input, for
   * `model.inputGradient()`. Default false.
   */
  inputGradient?: boolean
  /**
   * Layers of neurons whose spikes `spikes` and `monitor` can read: true for all, or their names.
   * It takes a bit for each neuron and step of a batch. With names of their equations by layer,
   * `{ '2': ['u', 'threshold', 'spike'] }`, or 'all', `states` can read those too, which take four
   * bytes each. Default none.
   */
  record?: boolean | 'all' | readonly string[] | Readonly<Record<string, readonly string[] | 'all'>>
  /**
   * 'debug' runs the build with assertions; in a page its file, `engine-debug.wasm`, must be given
   * as `wasm`. Default 'release'.
   */
  engine?: 'release' | 'debug'
  /**
   * The engine, where it cannot be found by itself: the address (in Node, a path too) of
   * `engine.wasm`, or with shared memory of `engine-threads.wasm`, or of the folder that holds both
   * (then it ends with /); the bytes of the file; or the compiled module. Default: the package's.
   */
  wasm?: EngineSource
  /**
   * In a page: address of the package's file `spikewasm/worker`, which its workers run; from the
   * page's origin. Default: the code is part of the package's own, and starts from a blob: address,
   * which a Content-Security-Policy must allow (`worker-src blob:`). It has no effect in Node.
   */
  worker?: string | host.URL
  /**
   * What the model is for; default 'train', which trains, evaluates and predicts. 'inference' plans
   * what `predict` and `evaluate` need and takes a fraction of the memory. 'stream' runs one time
   * step a call: `model.step(x)`.
   */
  purpose?: Purpose
  /**
   * Rule of the parameters' steps, which `fit` may change: what its function makes, its name such
   * as 'adam', or the text of one of your own, as for `rule`. Default `sgd()`.
   */
  optimizer?: Optimizer | string
  /**
   * Loss that training makes small, or a text for `custom`, which `fit` may change; default
   * `crossEntropy()`.
   */
  loss?: Loss | string
  /** Penalties on firing rates, which `fit` may change; default none. */
  penalties?: readonly RatePenalty[]
  /**
   * What the classes are called, a name for each output: `predict` answers with them, and files of
   * the model hold them. Default: the `classNames` of the data that `fit` trains with, of a loaded
   * model those of its file.
   */
  labels?: readonly string[]
  /**
   * Numbers of the weights that read spikes. 'int8', 'int6': whole numbers, −127 … 127 or −31 …
   * 31, times a scale for each output channel. They are made of float32 parameters, which the
   * optimizer changes by the gradient of the products, and which files hold. Weights that read
   * other values stay float32, as do those by groups and dilated ones. A file of `exportWasm` has
   * the same bits. Default 'f32'.
   */
  weights?: WeightType
  /**
   * true switches on a flag of V8 for the whole process: it joins pairs of 128-bit operations into
   * 256-bit ones. Steps take 0.7 to 0.8 of their time, numbers keep their bits. It works with Node
   * 24 to 26 on x64 processors with AVX2; elsewhere it has no effect (`model.revectorized` tells).
   * The engine is compiled anew for the model. The flag stays on, and acts on all WebAssembly that
   * V8 optimises from then on. Default false.
   */
  revectorize?: boolean
}

/** Options of `loadModel`; those of `compile`, where the file's stand for what is left out. */
export type LoadOptions = Partial<CompileOptions>

// What a session is made for, and what it gives.

/** What a training step found on its batch, with the parameters from before the step. */
export interface StepResult {
  /** The loss of the batch, penalties included; cross entropy is in nats. */
  readonly loss: number
  /** Penalties on firing rates, as part of `loss`; 0 without any. */
  readonly penalty: number
  /**
   * Samples with the largest output at their label, or with targets by step such steps; 0 where
   * targets are numbers.
   */
  readonly correct: number
  /** How many answers there are: samples, or those steps whose target is not ignored. */
  readonly answers: number
  /**
   * What the sum of the samples' losses was divided by: `count`, but where targets are ignored or
   * classes have weights.
   */
  readonly weight: number
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
  /** Numbers of the targets [B · targetFloats], where the loss is of them. */
  readonly targets?: Float32Array
  /** Weights of the samples [B], where they have some. */
  readonly weights?: Float32Array
}

/** Options of `compile` that stay for all plans, complete. */
export interface Settings
  extends Readonly<
      Required<
        Pick<CompileOptions, 'timeSteps' | 'batchSize' | 'threads' | 'seed' | 'frames' | 'inspect'>
      >
    >,
    Readonly<Required<Pick<CompileOptions, 'purpose' | 'weights'>>>,
    Readonly<Pick<CompileOptions, 'worker' | 'wasm'>> {
  readonly engine: EngineKind
  /** Whether wide vectors were asked for and are on. */
  readonly revectorized: boolean
  /** Only where it is asked for. */
  readonly inputGradient?: true
  /** Layers of neurons whose spikes can be read after a run. */
  readonly record: readonly string[]
  /** Names whose values can be, by layers of neurons. */
  readonly states: Readonly<Record<string, readonly string[] | 'all'>>
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
   * PyTorch's clip_grad_norm_; > 0. Default: no bound.
   */
  clipNorm?: number
  /**
   * A weight ≥ 0 for each of the B samples, by which its loss and gradient are multiplied. The sum
   * is divided by B all the same, as in Keras (`sum_over_batch_size`). Default: 1 each.
   */
  sampleWeights?: ArrayLike<number>
  /** Ends the waiting for a loss of one's own; `trainStep` then rejects with the reason. */
  signal?: host.AbortSignal
}

/** Options of `toBytes`. */
export interface ByteOptions {
  /**
   * The moving averages that `fit` keeps with `ema`, in place of the parameters. Default false.
   */
  averages?: boolean
  /**
   * Writes what a model with `weights: 'int8'` or 'int6' computes with: for each weight of whole
   * numbers the floats that they stand for, which other programs take as they are, and which have
   * the same whole numbers again. Default false: the parameters that are trained.
   */
  quantised?: boolean
}

/** Options of `save`. */
export interface SaveOptions extends ByteOptions {
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
