/** Models from one file: architecture and weights. */

import { describe, fail, SpikewasmError } from '../base/errors.js'
import { copyOf } from '../base/objects.js'
import { takenOptions } from '../compile/methods.js'
import { collectState } from '../compile/state.js'
import type { LoadOptions } from '../engine/compile-options.js'
import { expectSameTensors, type StateDict, withFirstNames } from '../engine/memory/state.js'
import { filesFor } from '../engine/platform.js'
import { checkModelJson, type ModelJson, modelKey, parseJson } from '../files/json.js'
import { parseFloats } from '../files/safetensors.js'
import { expectNoCheckpoint } from '../files/state.js'
import { compositeOf } from '../network/json.js'
import { labelsBehind } from '../network/labels.js'
import type { Module } from '../network/module.js'
import { trace } from '../network/trace.js'
import type { InputShape, InputShapes } from '../network/value.js'
import { inFile } from '../train/model-file.js'
import { type CompileOptions, compile } from './compile.js'
import { type Block, compilable } from './containers.js'
import type { Model } from './model.js'

export type { LoadOptions } from '../engine/compile-options.js'

/**
 * A network without weights from what `model.toJSON()` gave; it compiles to the same network.
 *
 * @param json an object, or its text
 * @param name what error messages call it; default 'the JSON'
 * @throws SpikewasmError for what is no network, or of another version
 */
export function networkFromJSON(json: ModelJson | string, name = 'the JSON'): Block {
  const parsed = typeof json === 'string' ? parseJson(json, name, 'the network') : json
  return compilable(compositeOf(checkModelJson(parsed, name).network, name))
}

/**
 * A model with its weights from a file that `model.save` wrote, from its bytes, or from the folder
 * of a run, whose last weights it takes. It predicts and evaluates; with `purpose: 'train'` it
 * trains on.
 *
 * @throws SpikewasmError when the file is missing or damaged, or holds weights alone
 * @function
 */
export const loadModel = (from: string | Uint8Array, options: LoadOptions = {}): Promise<Model> =>
  loadedAs('loadModel', from, options)

/** The same, of a function that messages call `title`. */
export async function loadedAs(
  title: string,
  from: string | Uint8Array,
  options: LoadOptions,
): Promise<Model> {
  const own = copyOf(options)
  if (typeof from !== 'string' && !(from instanceof Uint8Array))
    fail(`loadModel needs a path or the bytes of a file, got ${describe(from)}`)
  const name = typeof from === 'string' ? from : 'the model'
  const bytes = typeof from === 'string' ? await read(from) : from
  const { json, state } = readModel(bytes, name)
  if (json === undefined)
    fail(
      `${name}: must hold a network beside its weights, got weights alone; compile the network ` +
        'and call model.load, or save it with this version',
    )
  const { inputs, timeSteps, frames, method, network, weights, data } = json
  const input = inputs ?? json.input
  // What belongs to the method that the model was trained by.
  const methods = own.method === undefined ? takenOptions(method) : {}
  const composite = compositeOf(network, name)
  expectWeightsOf(composite, own.input ?? input, state, name)
  const all = {
    purpose: 'inference',
    input,
    timeSteps,
    // A stream takes a frame a call, whatever the model was trained with.
    frames: own.purpose === 'stream' ? false : frames,
    weights,
    ...methods,
    ...own,
  } as const
  try {
    return await compiledWith(composite, all, (model) => {
      inFile(name, () => model.loadStateDict(state))
      const { session, classes } = model
      session.labels = labelsBehind(session.labels, undefined, data?.classNames, classes)
    })
  } catch (error) {
    if (!(error instanceof SpikewasmError)) throw error
    fail(error.message.replace(/^compile(?=[.:])/, title), error)
  }
}

/** A model that is given its weights; where they are refused, nothing of it is left. */
export async function compiledWith(
  network: Module,
  options: CompileOptions<InputShape | InputShapes>,
  fill: (model: Model) => void,
): Promise<Model> {
  const model = await compile(network, options)
  try {
    fill(model)
  } catch (error) {
    await model.dispose()
    throw error
  }
  return model
}

/**
 * Checks that weights are a network's before it is compiled: a small file may describe a network
 * that takes all memory.
 *
 * @param name of their file
 * @throws SpikewasmError for a network that does not take the input, or has other weights
 */
export function expectWeightsOf(
  network: Module,
  input: InputShape | InputShapes,
  state: StateDict,
  name: string,
): void {
  inFile(name, () => {
    const graph = trace(network, input)
    expectSameTensors(collectState(graph), withFirstNames(graph, state))
  })
}

const read = (path: string): Promise<Uint8Array> =>
  filesFor('loadModel of a path', 'give it the bytes of the file').readModel(path)

/** Weights, and the network where the file holds one. */
export function readModel(bytes: Uint8Array, name: string) {
  const { tensors: state, metadata } = parseFloats(bytes, name)
  expectNoCheckpoint(metadata, name)
  const text = metadata[modelKey]
  if (text === undefined) return { json: undefined, state }
  return { json: checkModelJson(parseJson(text, name, 'the network'), name), state }
}
