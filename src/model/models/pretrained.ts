/** Trained weights that come with the package: `data/models`, and their cards in docs/models.md. */

import { checkArguments, describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import { readFirst, readOwn } from '../../engine/package-file.js'
import { platform } from '../../engine/platform.js'
import { type LoadOptions, loadModel } from '../load.js'
import type { Model } from '../model.js'

/** Data sets of the weights of a name; a new one is a line here, in Node's platform, and a card. */
const datasets: Readonly<Record<PretrainedName, string>> = {
  'fashion-mnist-cnn': 'fashion-mnist',
  nmnist: 'nmnist',
}

/** A safetensors file: its header is JSON. */
const isWeights = (bytes: Uint8Array): boolean => bytes[8] === 0x7b

const pathOf = (name: string): string => `data/models/${name}.safetensors`

/** Name of a trained network that comes with the package. */
export type PretrainedName = 'fashion-mnist-cnn' | 'nmnist'

/** Names of the trained networks that `pretrained` knows. */
export const pretrainedNames = Object.keys(datasets) as readonly PretrainedName[]

/** Options of `pretrained`. */
export interface PretrainedOptions extends LoadOptions {
  /**
   * Where the file of the weights is, or its bytes: a page has to say so. Default: in the package.
   */
  from?: string | host.URL | Uint8Array
}

/**
 * A trained network that comes with the package, with its weights: it predicts and evaluates; with
 * `purpose: 'train'` it trains on. docs/models.md says what each was trained with, and how good it
 * is.
 *
 * @param name one of `pretrainedNames`
 * @param options those of `loadModel`, and in a page where the file is
 * @throws SpikewasmError for another name, or when the file is missing
 */
export async function pretrained(
  name: PretrainedName,
  options: PretrainedOptions = {},
  ...more: []
): Promise<Model> {
  checkArguments('pretrained', more)
  checkName('pretrained', name)
  const { from, ...own } = copyOf(options)
  return loadModel(from instanceof Uint8Array ? from : await read(name, from), own)
}

async function read(
  name: PretrainedName,
  from: string | host.URL | undefined,
): Promise<Uint8Array> {
  const mend =
    'give pretrained its address or bytes, as from: with Vite, import weights from ' +
    `'spikewasm/models/${name}.safetensors?url'; elsewhere copy it from ` +
    'node_modules/spikewasm/data/models'
  if (from === undefined) return (await readOwn(pathOf(name), isWeights, mend)).bytes
  if (typeof from !== 'string' && !(from instanceof URL))
    fail(
      `pretrained.from must be the address of ${name}.safetensors or its bytes, got ` +
        describe(from),
    )
  return (await readFirst([platform().address(from)], isWeights, mend)).bytes
}

/**
 * Where the weights of a name lie.
 *
 * @param what asks for it, for the message
 * @throws SpikewasmError for another name
 */
export function pretrainedFile(what: string, name: string): host.URL {
  checkName(what, name)
  return platform().packageFile(pathOf(name)) as URL
}

function checkName(what: string, name: string): void {
  if (typeof name !== 'string' || !Object.hasOwn(datasets, name))
    fail(`${what} must be one of ${pretrainedNames.join(', ')}, got ${describe(name)}`)
}

/** The data set, by its name on the command line, that the weights of a name belong to. */
export const pretrainedDataset = (name: PretrainedName): string => datasets[name]
