/** What `compile` and `loadModel` take. */

import type * as host from '../host.js'
import type { Loss, RatePenalty } from '../loss/index.js'
import type { InputShape } from '../nn/value.js'
import type { Optimizer } from '../optimizer/kind.js'
import type { Purpose } from '../plan/context.js'
import type { MethodOptions } from '../plan/methods.js'
import type { EngineSource } from './load.js'

/** Options of `compile`. All but `input` have a default. */
export interface CompileOptions extends MethodOptions {
  /**
   * Sizes of one sample: [features] of a vector, [channels, length] of a series, or [channels,
   * height, width] of an image. Layers see a series as an image of one row, [channels, 1, length].
   */
  input: InputShape
  /**
   * T, time steps for which each sample is presented; default 4. In training 1…255 (1…32 online),
   * with purpose 'inference' or 'stream' 1…4096.
   */
  timeSteps?: number
  /** B, samples of a step, an integer ≥ 1; default 64, with purpose 'stream' 1. */
  batchSize?: number
  /**
   * Worker threads, at most, 1…256. With 1, the default, the network runs on the calling thread; in
   * a page on a worker, so that the page stays free. A page that is not cross-origin isolated has
   * one worker; see docs/web.md.
   * `fit` may start more, which prepare batches; see its `numWorkers`.
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
  /** Rule of the parameters' steps, which `fit` may change; default `sgd()`. */
  optimizer?: Optimizer
  /** What training makes small, which `fit` may change; default `crossEntropy()`. */
  loss?: Loss
  /** Penalties on firing rates, which `fit` may change; default none. */
  penalties?: readonly RatePenalty[]
  /**
   * true switches on a flag of V8 for the whole process: it joins pairs of 128-bit operations into
   * 256-bit ones. Steps take 0.7 to 0.8 of their time, numbers keep their bits. It works with Node
   * 24 to 26 on x64 processors with AVX2; elsewhere it has no effect (`model.revectorized` tells).
   * The model's engine is compiled for it, whatever other models have compiled before. The flag
   * stays on, and acts on all WebAssembly that V8 optimises from then on. Default false.
   */
  revectorize?: boolean
}

/** Options of `loadModel`; those of `compile`, where the file's stand for what is left out. */
export type LoadOptions = Partial<CompileOptions>
