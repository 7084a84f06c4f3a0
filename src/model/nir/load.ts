/** Networks of other programs, in the Neuromorphic Intermediate Representation (NIR). */

import { describe, fail } from '../../base/errors.js'
import { copyOf } from '../../base/objects.js'
import { checkNirOptions, type NirOptions, nirOptionKeys } from '../../files/nir/options.js'
import { type CompileOptions, compileOptionKeys } from '../compile.js'
import { compiledWith } from '../load.js'
import type { Model } from '../model.js'
import type { NirNetwork } from './network.js'

export type {
  Discretisation,
  NirConventions,
  NirOptions,
  NirReset,
  SaveNirOptions,
} from '../../files/nir/options.js'
export type { NirNetwork }

/** Options of `loadNir`: how time becomes steps, and those of `compile`, but for `input`. */
export type LoadNirOptions = NirOptions & Partial<Omit<CompileOptions, 'input'>>

const compileKeys = compileOptionKeys.filter((key) => key !== 'input')

/**
 * The network of a NIR file (Pedersen et al., Nature Communications 2024; neuroir.org) and its
 * weights: `network.compile({ input, … })`, then `model.loadStateDict(state)`. `loadNir` does both.
 *
 * @param from path of the file, or its bytes
 * @throws SpikewasmError when the file is missing or damaged, when it takes too long, for a node
 *   that the engine cannot express (by its name), and when the package h5wasm is not installed
 */
export async function networkFromNir(
  from: string | Uint8Array,
  options: NirOptions = {},
): Promise<NirNetwork> {
  checkNirOptions('networkFromNir', options, [])
  return read('networkFromNir', copyOf(from), { ...options }, true)
}

/**
 * A model with its weights from a NIR file. It predicts and evaluates; with `purpose: 'train'` it
 * trains on. Its input differs from step to step (`frames`), unless you say otherwise, or the file
 * is from `saveNir` and says so; `timeSteps` are those of such a file, else 4.
 *
 * Neurons spike above their threshold, at most once a step; see `NirOptions` for the rest, and
 * docs/nir.md for the equations.
 *
 * @param from path of the file, or its bytes
 * @throws SpikewasmError as `networkFromNir` does, and for wrong options
 */
export async function loadNir(
  from: string | Uint8Array,
  options: LoadNirOptions = {},
): Promise<Model> {
  checkNirOptions('loadNir', options, compileKeys)
  const asked = copyOf(options)
  const keepBias = asked.purpose === 'train'
  const found = await read('loadNir', copyOf(from), asked, keepBias)
  const { network, state, timeSteps, frames } = found
  const input = found.inputs ?? found.input
  const own = nirOptionKeys as readonly string[]
  const ofCompile = Object.fromEntries(Object.entries(asked).filter(([key]) => !own.includes(key)))
  const { purpose = 'inference' } = asked
  const steps = { timeSteps, frames: purpose === 'stream' ? false : (frames ?? true) }
  const all = { ...steps, ...ofCompile, purpose, input }
  return compiledWith(network, all, (model) => model.loadStateDict(state))
}

async function read(
  caller: string,
  from: unknown,
  options: NirOptions,
  keepBias: boolean,
): Promise<NirNetwork> {
  const isPath = typeof from === 'string' && from !== '' && !from.includes('\0')
  if (!isPath && !(from instanceof Uint8Array))
    fail(`${caller} needs the path or the bytes of a NIR file, got ${describe(from) || "''"}`)
  const name = isPath ? from : 'the NIR file'
  const { readFileClear } = await import('../../files/files.js')
  const bytes = isPath ? await readFileClear(from, 'the NIR file') : (from as Uint8Array)
  const { readHdf5 } = await import('../../files/nir/hdf5.js')
  const { graphOf } = await import('../../files/nir/graph.js')
  const { networkOf } = await import('./network.js')
  return networkOf(graphOf(await readHdf5(bytes, name), name), options, keepBias, name)
}
