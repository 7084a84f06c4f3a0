/** `compile`: a network becomes a model. */

import { describe, fail, isOptions } from '../base/errors.js'
import { copyOf } from '../base/objects.js'
import * as is from '../base/rules.js'
import { complete, type Rules } from '../base/rules.js'
import { type Purpose, purposes } from '../compile/context.js'
import { whyFloats } from '../compile/emit/integer-weights.js'
import { checkLoss, checkPenalties, lossFrom, lossOfExits } from '../compile/loss-kind.js'
import {
  type MethodOptions,
  MOST_STEPS,
  methodOptionKeys,
  pickMethodOptions,
} from '../compile/methods.js'
import { checkOption, optimizerOf } from '../compile/optimizer-kind.js'
import type { CompileOptions, Settings } from '../engine/compile-options.js'
import { checkSource } from '../engine/load.js'
import { platform } from '../engine/platform.js'
import { trainingSpec } from '../engine/run/training.js'
import { Session } from '../engine/session.js'
import { fires, kindOf } from '../network/kind.js'
import { classNames, expectLabels, labelsBehind, MOST_CLASSES } from '../network/labels.js'
import { checkModule, type Module } from '../network/module.js'
import { type Graph, trace } from '../network/trace.js'
import { checkInputs, type InputShape, type InputShapes } from '../network/value.js'
import { weightTypes } from '../network/weights.js'
import { type CrossEntropy, crossEntropy } from '../nn/loss/kinds.js'
import { sgd } from '../nn/optimizers.js'
import { Model } from './model.js'

export type { CompileOptions } from '../engine/compile-options.js'

/** What the options must be, but for what the network decides. */
const rules: Rules<Complete> = {
  input: is.by<InputShape | InputShapes>(checkInputs),
  timeSteps: {
    ...is.integer(1, MOST_STEPS, 4),
    words: `an integer from 1 to ${MOST_STEPS} (a stream may go on for longer)`,
  },
  batchSize: is.optional(is.integer(1, 1 << 20)),
  threads: is.integer(1, 256, 1),
  seed: is.integer(0, 2 ** 32 - 1, 0),
  frames: is.truth(false),
  inspect: is.truth(false),
  inputGradient: is.truth(false),
  ...is.checkedElsewhere<Pick<CompileOptions, 'record'>>(['record']),
  engine: is.oneOf(['release', 'debug'] as const, 'release'),
  wasm: is.optional(is.by(checkSource)),
  worker: is.optional(
    is.such('the address of a script', (at) => typeof at === 'string' || at instanceof URL),
  ),
  purpose: is.oneOf(Object.keys(purposes) as Purpose[], 'train'),
  weights: is.oneOf(weightTypes, 'f32'),
  revectorize: is.truth(false),
  ...is.checkedElsewhere<MethodOptions>(methodOptionKeys),
  optimizer: is.optional(is.by(checkOption)),
  loss: is.optional(is.by(checkLoss)),
  penalties: is.optional(is.by(checkPenalties)),
  labels: is.optional(classNames),
}

type Preset =
  | 'timeSteps'
  | 'threads'
  | 'seed'
  | 'frames'
  | 'inspect'
  | 'engine'
  | 'purpose'
  | 'weights'
type Complete = CompileOptions<InputShape | InputShapes> &
  Required<Pick<CompileOptions, Preset | 'revectorize'>>

/** Names of the options of `compile`. */
export const compileOptionKeys = Object.keys(rules) as (keyof CompileOptions)[]

/**
 * Turns a network into a model: traces it, plans and allocates its memory, starts its threads and
 * initialises its parameters.
 * @param network a layer or a block
 * @throws SpikewasmError for wrong options or shapes (naming the layer), and when the model does
 *   not fit in memory (saying how much it needs and the largest batch that fits).
 */
export async function compile<L extends CompileOptions['loss'] = CrossEntropy<'labels'>>(
  network: Module,
  options: CompileOptions<InputShape | InputShapes> & { readonly loss?: L },
): Promise<Model<L>> {
  checkModule('compile: the network', network)
  return compiled(network, copyOf(complete<Complete>('compile', rules, options)))
}

async function compiled(network: Module, options: Complete): Promise<Model> {
  const { timeSteps, seed, frames, inspect, engine, wasm, worker, purpose, weights } = options
  const { batchSize = purpose === 'stream' ? 1 : 64 } = options
  const threads = platform().threads?.(options.threads) ?? options.threads
  const own = { timeSteps, batchSize, threads, seed, frames, inspect }
  const settings = { ...own, engine, wasm, worker, purpose, weights }
  if (settings.frames && settings.purpose === 'stream')
    fail(
      "compile.frames must be false with purpose 'stream', got true; each step takes a " +
        'frame as it is',
    )
  if (options.inputGradient && !purposes[purpose].training)
    fail(`compile.inputGradient needs purpose 'train', got '${purpose}'; leave one of them out`)
  const input = checkInputs('compile.input', options.input)
  const graph = copyOf(trace(network, input))
  const outputs = graph.nodes[graph.output].shape[0]
  // Before memory is planned for them.
  if (outputs > MOST_CLASSES)
    fail(
      `compile: the network must give at most ${MOST_CLASSES} outputs, got ${outputs}; make its ` +
        'last layer smaller',
    )
  if (options.labels) expectLabels('compile.labels', options.labels, outputs)
  const recorded = recordedOf(graph, options.record)
  const { penalties } = options
  const loss = lossFrom(options.loss) ?? lossOfExits(graph) ?? crossEntropy()
  const optimizer = optimizerOf('compile.optimizer', options.optimizer ?? sgd())
  const spec = trainingSpec('compile', graph, { optimizer, loss, penalties })
  const wide = options.revectorize && (await platform().wideSettings?.(settings))
  const session = new Session(graph, input, {
    ...settings,
    ...recorded,
    ...(options.inputGradient ? { inputGradient: true } : {}),
    revectorized: false,
    ...wide,
  })
  session.optimizer = optimizer
  session.labels = labelsBehind(undefined, options.labels, undefined, outputs)
  await session.replan(pickMethodOptions(options), spec)
  if (weights !== 'f32' && session.plan.integers.length === 0) {
    const why = whyFloats(graph, session.plan.floats ?? new Map())
    await session.dispose()
    fail(
      `compile.weights must be 'f32' for this network, got '${weights}': whole numbers are for ` +
        `weights that spikes meet, and no layer has such${why && ` (${why})`}; leave it out`,
    )
  }
  return new Model(session)
}

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
    for (const name of record) if (!firing.includes(name)) fail(unknown(name, firing))
    return { record: firing.filter((name) => record.includes(name)), states: {} }
  }
  if (!isOptions(record))
    fail(
      "compile.record must be true, false, 'all', a list of layers, or lists of names by layer, " +
        `got ${describe(record)}`,
    )
  for (const [name, names] of Object.entries(record)) {
    if (!layers.includes(name)) fail(unknown(name, layers))
    if (names !== 'all' && (!Array.isArray(names) || names.length === 0))
      fail(
        `compile.record: layer ${name} must have a list of names, or 'all', got ${describe(names)}`,
      )
  }
  const states = record as Settings['states']
  return { record: firing.filter((name) => Object.hasOwn(states, name)), states }
}
