/** `compile`: a network becomes a model. */

import { checkBoolean, checkOptions, describe, expect } from './errors.js'
import { trace } from './graph/trace.js'
import { Model } from './model.js'
import { checkModule, type Module } from './nn/module.js'
import { type Purpose, purposes } from './plan/context.js'
import { type MethodOptions, methodOptionKeys, methodOptions } from './plan/methods.js'
import { Session, type Settings } from './runtime/session.js'

export interface CompileOptions extends MethodOptions {
  /** [channels, height, width] of one sample. */
  input: readonly [number, number, number]
  /** T, default 4. */
  timeSteps?: number
  /** B, default 64. */
  batchSize?: number
  /** Worker threads; 1 (the default) spawns nothing and runs on the calling thread. */
  threads?: number
  /** Seed of initialisation, shuffling, dropout and augmentation; default 0. */
  seed?: number
  /** Inputs differ from step to step, [T, B, C, H, W] instead of [B, C, H, W]; default false. */
  frames?: boolean
  /**
   * Keep rates and eligibilities readable by `activity` after a step (more memory); default false.
   */
  inspect?: boolean
  /** 'debug' runs the build with assertions; default 'release'. */
  engine?: 'release' | 'debug'
  /** 'inference' plans what `predict` and `evaluate` need and no more; default 'train'. */
  purpose?: Purpose
}

/**
 * Plans, allocates and initialises a network.
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
    'engine',
    ...methodOptionKeys,
    'purpose',
  ])
  const integer = (name: string, value: number, min: number, max: number): number => {
    expect(
      Number.isInteger(value) && value >= min && value <= max,
      () => `compile.${name} must be an integer from ${min} to ${max}, got ${describe(value)}`,
    )
    return value
  }
  const settings: Settings = {
    timeSteps: integer('timeSteps', options.timeSteps ?? 4, 1, 255),
    batchSize: integer('batchSize', options.batchSize ?? 64, 1, 1 << 20),
    threads: integer('threads', options.threads ?? 1, 1, 256),
    seed: integer('seed', options.seed ?? 0, 0, 2 ** 32 - 1),
    frames: checkBoolean('compile.frames', options.frames, false),
    inspect: checkBoolean('compile.inspect', options.inspect, false),
    engine: options.engine ?? 'release',
    purpose: options.purpose ?? 'train',
  }
  expect(
    settings.engine === 'release' || settings.engine === 'debug',
    () => `compile.engine must be 'release' or 'debug', got ${describe(settings.engine)}`,
  )
  expect(
    settings.purpose in purposes,
    () =>
      `compile.purpose must be 'train', 'inference' or 'stream', got ${describe(settings.purpose)}`,
  )
  const graph = trace(network, options.input)
  const session = new Session(graph, options.input, settings)
  await session.replan(methodOptions(options, settings.timeSteps))
  return new Model(session)
}
