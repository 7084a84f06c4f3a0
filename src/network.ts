/** `compile`: a network becomes a model. */

import { checkBoolean, checkOptions, describe, expect } from './errors.js'
import { type Graph, type GraphNode, trace } from './graph/trace.js'
import {
  checkLoss,
  checkPenalties,
  crossEntropy,
  type Loss,
  type RatePenalty,
  selfDistillation,
} from './loss/index.js'
import { Model } from './model.js'
import { isSpiking } from './nn/layers/cell.js'
import { checkModule, type Module } from './nn/module.js'
import { checkInputShape, type InputShape } from './nn/value.js'
import { checkOptimizer, type Optimizer, sgd } from './optimizer/index.js'
import { type Purpose, purposes } from './plan/context.js'
import {
  type MethodOptions,
  MOST_STEPS,
  methodOptionKeys,
  pickMethodOptions,
} from './plan/methods.js'
import { platform } from './runtime/platform.js'
import { switchOnWideVectors } from './runtime/revectorize.js'
import { Session } from './runtime/session.js'
import type { Settings } from './runtime/settings.js'
import { trainingSpec } from './runtime/training.js'

/** More classes than any data set has; refused before memory is planned for them. */
const MOST_OUTPUTS = 1 << 16

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
  /** B, samples of a training step, an integer ≥ 1; default 64. */
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
   * Whether inputs differ from time step to time step, [T, B, C, H, W] instead of [B, C, H, W];
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
   * It takes a bit for each neuron and step of a batch. Default none.
   */
  record?: boolean | readonly string[]
  /** 'debug' runs the build with assertions; default 'release'. */
  engine?: 'release' | 'debug'
  /**
   * What the model is for; default 'train', which trains, evaluates and predicts. 'inference' plans
   * what `predict` and `evaluate` need and takes a fraction of the memory. 'stream' runs one time
   * step a call: `model.step(x)`.
   */
  purpose?: Purpose
  /**
   * In a page: address of the package's file `spikewasm/worker`, which its workers run; from the
   * page's origin. Default: the code is part of the package's own, and starts from a blob: address,
   * which a Content-Security-Policy must allow (`worker-src blob:`). It has no effect in Node.
   */
  worker?: string | URL
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

/**
 * Turns a network into a model: traces it, plans and allocates its memory, starts its threads and
 * initialises its parameters.
 * @param network a layer or a block
 * @throws SpikewasmError for wrong options or shapes (naming the layer), and when the model does
 *   not fit in memory (saying how much it needs and the largest batch that fits).
 */
export async function compile(network: Module, options: CompileOptions): Promise<Model> {
  checkModule('compile: the network', network)
  checkOptions('compile', options, [
    'input',
    'timeSteps',
    'batchSize',
    'threads',
    'seed',
    'frames',
    'inspect',
    'record',
    'engine',
    ...methodOptionKeys,
    'purpose',
    'revectorize',
    'optimizer',
    'loss',
    'penalties',
    'worker',
  ])
  const integer = (name: string, value: number, min: number, max: number): number => {
    expect(
      Number.isInteger(value) && value >= min && value <= max,
      () => `compile.${name} must be an integer from ${min} to ${max}, got ${describe(value)}`,
    )
    return value
  }
  const settings: Omit<Settings, 'revectorized' | 'record'> = {
    timeSteps: integer('timeSteps', options.timeSteps ?? 4, 1, MOST_STEPS),
    batchSize: integer('batchSize', options.batchSize ?? 64, 1, 1 << 20),
    threads: threadsFor(integer('threads', options.threads ?? 1, 1, 256)),
    seed: integer('seed', options.seed ?? 0, 0, 2 ** 32 - 1),
    frames: checkBoolean('compile.frames', options.frames, false),
    inspect: checkBoolean('compile.inspect', options.inspect, false),
    engine: options.engine ?? 'release',
    purpose: options.purpose ?? 'train',
    worker: options.worker,
  }
  expect(
    options.worker === undefined || typeof options.worker === 'string' || options.worker instanceof URL,
    () => `compile.worker must be the address of a script, got ${describe(options.worker)}`,
  )
  const revectorize = checkBoolean('compile.revectorize', options.revectorize, false)
  expect(
    settings.engine === 'release' || settings.engine === 'debug',
    () => `compile.engine must be 'release' or 'debug', got ${describe(settings.engine)}`,
  )
  expect(
    typeof settings.purpose === 'string' && Object.hasOwn(purposes, settings.purpose),
    () =>
      `compile.purpose must be 'train', 'inference' or 'stream', got ${describe(settings.purpose)}`,
  )
  expect(
    !(settings.frames && settings.purpose === 'stream'),
    () =>
      "compile.frames must be false with purpose 'stream', got true; each step takes a " +
      'frame as it is',
  )
  const input = checkInputShape('compile.input', options.input)
  const graph = trace(network, input)
  const outputs = graph.nodes[graph.output].shape[0]
  expect(
    outputs <= MOST_OUTPUTS,
    () =>
      `compile: the network must give at most ${MOST_OUTPUTS} outputs, got ${outputs}; make its ` +
      'last layer smaller',
  )
  const revectorized = revectorize && (await switchOnWideVectors()).on
  const record = recordedLayers(graph, options.record)
  const session = new Session(graph, input, { ...settings, record, revectorized })
  const standardLoss = graph.exits ? selfDistillation() : crossEntropy()
  const { optimizer = sgd(), loss = standardLoss, penalties } = options
  checkOptimizer('compile.optimizer', optimizer)
  checkLoss('compile.loss', loss)
  if (penalties !== undefined) checkPenalties('compile.penalties', penalties)
  const spec = trainingSpec('compile', graph, { optimizer, loss, penalties })
  session.optimizer = optimizer
  await session.replan(pickMethodOptions(options), spec)
  return new Model(session)
}

const spikes = ({ layer }: GraphNode): boolean =>
  layer?.kind === 'neuron' ||
  layer?.kind === 'stabilizedLif' ||
  (layer?.kind === 'cell' && isSpiking(layer))

const threadsFor = (asked: number): number => platform().threads?.(asked) ?? asked

/** Names of the layers to be recorded, in the order of the network. */
function recordedLayers(graph: Graph, record: CompileOptions['record'] = false): string[] {
  const names = graph.nodes.filter(spikes).map(({ name }) => name)
  if (typeof record === 'boolean') return record ? names : []
  expect(
    Array.isArray(record),
    () => `compile.record must be true, false or a list of layers, got ${describe(record)}`,
  )
  for (const name of record)
    expect(
      names.includes(name),
      () =>
        `compile.record must name layers of neurons, got ${describe(name)}; there are ` +
        (names.join(', ') || 'none'),
    )
  return names.filter((name) => record.includes(name))
}
