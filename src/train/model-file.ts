/** A model as one file, or its bytes. */

import {
  checkBoolean,
  checkOptions,
  checkPath,
  checkSignal,
  describe,
  fail,
  SpikewasmError,
} from '../base/errors.js'
import type * as host from '../base/host.js'
import { standardises } from '../compile/emit/integer-weights.js'
import type { ByteOptions, SaveOptions } from '../engine/compile-options.js'
import { averages, type StateDict, stateDict, takeState } from '../engine/memory/state.js'
import { filesFor } from '../engine/platform.js'
import { computedState, expectIntegers } from '../engine/run/quantised.js'
import { wantsAverages } from '../engine/run/update.js'
import type { Session } from '../engine/session.js'
import { modelJson, modelKey } from '../files/json.js'
import { parseState, serializeState } from '../files/state.js'

// Weights from a file, for a model that is there.

const read = (path: string): Promise<Uint8Array> =>
  filesFor('model.load of a path', 'give it the bytes of the file').read(path, 'weights')

/** `Model.load`. The caller must hold the model's lock. */
export async function loadWeights(session: Session, from: string | Uint8Array): Promise<void> {
  if (typeof from !== 'string' && !(from instanceof Uint8Array))
    fail(`load.from must be a path or a Uint8Array, got ${describe(from)}`)
  if (typeof from === 'string') checkPath('load.from', from)
  const path = typeof from === 'string' ? from : 'the weights'
  const bytes = typeof from === 'string' ? await read(from) : from
  const state = parseState(bytes, path)
  inFile(path, () => takeState(session, state))
}

/** @throws SpikewasmError of `body`, with the file's name before it */
export function inFile(name: string, body: () => void): void {
  try {
    body()
  } catch (error) {
    throw error instanceof SpikewasmError
      ? new SpikewasmError(`${name}: ${error.message}`, { cause: error })
      : error
  }
}

/** `Model.toBytes`. */
export function modelBytes(
  name: string,
  session: Session,
  metadata: Record<string, string>,
  options: ByteOptions,
  signal?: host.AbortSignal,
): Uint8Array | Promise<Uint8Array> {
  checkOptions(name, options, ['averages', 'quantised'])
  const ofAverages = wantsAverages(`${name}.averages`, session, options.averages)
  const about = { ...metadata, [modelKey]: JSON.stringify(modelJson(session)) }
  const file = (state: StateDict): Uint8Array => serializeState(state, about)
  const isQuantised = checkBoolean(`${name}.quantised`, options.quantised, false)
  if (!isQuantised) return file(ofAverages ? averages(session) : stateDict(session))
  expectProducts(`${name}.quantised`, session)
  return computedState(session, ofAverages, signal).then(file)
}

/** @throws SpikewasmError where no parameter can be what the network computes with */
function expectProducts(option: string, session: Session): void {
  expectIntegers(option, session)
  const { nodes } = session.graph
  const odd = session.plan.integers.find(({ node }) => standardises(nodes[node]))
  if (odd)
    fail(
      `${option} must be left out: ${odd.name} is standardised before whole numbers are made of ` +
        'it, so that no parameter stands for them; quantised() and exportWasm() have them',
    )
}

/** `Model.save`. */
export async function saveModel(
  session: Session,
  path: string,
  metadata: Record<string, string>,
  options: SaveOptions,
): Promise<void> {
  const files = filesFor('model.save', 'model.toBytes() gives what the file would hold')
  checkPath('save.path', path)
  if (/\.(wasm|nir|onnx|pth?)$/i.test(path))
    fail(
      `save.path must be the path of a safetensors file, got ${describe(path)}; exportWasm gives ` +
        'what a .wasm file holds, saveNir writes .nir',
    )
  checkOptions('save', options, ['averages', 'quantised', 'signal'])
  const { signal, ...other } = options
  checkSignal('save.signal', signal)
  const own = { ...metadata }
  const make = () => modelBytes('save', session, own, other, signal)
  const bytes = await session.lock.look(make, signal)
  await files.write(path, bytes)
}
