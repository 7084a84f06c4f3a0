/** `compile`: a network becomes a model. */

import { copyOf } from './copy.js'
import { checkBoolean, checkInteger, checkOptions, describe, expect, isOptions } from './errors.js'
import { type Graph, trace } from './graph/trace.js'
import { checkLoss, checkPenalties, crossEntropy, lossOfExits } from './loss/index.js'
import { Model } from './model.js'
import { fires, kindOf } from './nn/kind.js'
import { checkModule, type Module } from './nn/module.js'
import { checkInputShape } from './nn/value.js'
import { checkOptimizer, sgd } from './optimizer/index.js'
import { purposes } from './plan/context.js'
import { MOST_STEPS, methodOptionKeys, pickMethodOptions } from './plan/methods.js'
import type { CompileOptions } from './runtime/compile-options.js'
import { checkSource } from './runtime/load.js'
import { platform } from './runtime/platform.js'
import { Session } from './runtime/session.js'
import type { Settings } from './runtime/settings.js'
import { trainingSpec } from './runtime/training.js'

export type { CompileOptions } from './runtime/compile-options.js'

/** Names of the options of `compile`. */
export const compileOptionKeys: readonly (keyof CompileOptions)[] = [
  ...(['input', 'timeSteps', 'batchSize', 'threads', 'seed', 'frames', 'inspect'] as const),
  ...(['record', 'engine', 'wasm', 'worker', 'purpose', 'revectorize'] as const),
  ...methodOptionKeys,
  ...(['optimizer', 'loss', 'penalties'] as const),
]

/** More classes than any data set has; refused before memory is planned for them. */
const MOST_OUTPUTS = 1 << 16

/**
 * Turns a network into a model: traces it, plans and allocates its memory, starts its threads and
 * initialises its parameters.
 * @param network a layer or a block
 * @throws SpikewasmError for wrong options or shapes (naming the layer), and when the model does
 *   not fit in memory (saying how much it needs and the largest batch that fits).
 */
export async function compile(network: Module, options: CompileOptions): Promise<Model> {
  checkModule('compile: the network', network)
  checkOptions('compile', options, compileOptionKeys)
  return compiled(network, copyOf(options))
}

async function compiled(network: Module, options: CompileOptions): Promise<Model> {
  const integer = (name: string, value: number, min: number, max: number): number => {
    checkInteger(`compile.${name}`, value, min, max)
    return value
  }
  const usualBatch = options.purpose === 'stream' ? 1 : 64
  const settings: Omit<Settings, 'revectorized' | 'record' | 'states'> = {
    timeSteps: integer('timeSteps', options.timeSteps ?? 4, 1, MOST_STEPS),
    batchSize: integer('batchSize', options.batchSize ?? usualBatch, 1, 1 << 20),
    threads: threadsFor(integer('threads', options.threads ?? 1, 1, 256)),
    seed: integer('seed', options.seed ?? 0, 0, 2 ** 32 - 1),
    frames: checkBoolean('compile.frames', options.frames, false),
    inspect: checkBoolean('compile.inspect', options.inspect, false),
    engine: options.engine ?? 'release',
    wasm: options.wasm,
    purpose: options.purpose ?? 'train',
    worker: options.worker,
  }
  expect(
    options.worker === undefined ||
      typeof options.worker === 'string' ||
      options.worker instanceof URL,
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
  if (options.wasm !== undefined) checkSource('compile.wasm', options.wasm)
  const input = checkInputShape('compile.input', options.input)
  const graph = copyOf(trace(network, input))
  const outputs = graph.nodes[graph.output].shape[0]
  expect(
    outputs <= MOST_OUTPUTS,
    () =>
      `compile: the network must give at most ${MOST_OUTPUTS} outputs, got ${outputs}; make its ` +
      'last layer smaller',
  )
  const recorded = recordedOf(graph, options.record)
  const standardLoss = graph.exits ? lossOfExits() : crossEntropy()
  const { optimizer = sgd(), loss = standardLoss, penalties } = options
  checkOptimizer('compile.optimizer', optimizer)
  checkLoss('compile.loss', loss)
  if (penalties !== undefined) checkPenalties('compile.penalties', penalties)
  const spec = trainingSpec('compile', graph, { optimizer, loss, penalties })
  const wide = revectorize ? await platform().switchOnWideVectors?.() : undefined
  const revectorized = wide?.on ?? false
  const session = new Session(graph, input, { ...settings, ...recorded, revectorized })
  session.optimizer = optimizer
  await session.replan(pickMethodOptions(options), spec)
  return new Model(session)
}

const threadsFor = (asked: number): number => platform().threads?.(asked) ?? asked

/** Layers whose spikes are recorded, in the order of the network, and names whose values are. */
function recordedOf(
  { nodes }: Graph,
  record: CompileOptions['record'] = false,
): Pick<Settings, 'record' | 'states'> {
  const firing = nodes.filter(({ layer }) => fires(layer)).map(({ name }) => name)
  const layers = nodes.filter(({ layer }) => layer && kindOf(layer).model).map(({ name }) => name)
  const unknown = (name: unknown, of: readonly string[]): string =>
    `compile.record must name layers of neurons, got ${describe(name)}; there are ` +
    (of.join(', ') || 'none')
  if (typeof record === 'boolean') return { record: record ? firing : [], states: {} }
  if (record === 'all')
    return { record: firing, states: Object.fromEntries(layers.map((name) => [name, 'all'])) }
  if (Array.isArray(record)) {
    for (const name of record) expect(firing.includes(name), () => unknown(name, firing))
    return { record: firing.filter((name) => record.includes(name)), states: {} }
  }
  expect(
    isOptions(record),
    () =>
      "compile.record must be true, false, 'all', a list of layers, or lists of names by layer, " +
      `got ${describe(record)}`,
  )
  for (const [name, names] of Object.entries(record)) {
    expect(layers.includes(name), () => unknown(name, layers))
    expect(
      names === 'all' || (Array.isArray(names) && names.length > 0),
      () =>
        `compile.record: layer ${name} must have a list of names, or 'all', got ${describe(names)}`,
    )
  }
  const states = record as Settings['states']
  return { record: firing.filter((name) => Object.hasOwn(states, name)), states }
}
