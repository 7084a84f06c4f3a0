/** Trained weights that come with the package: `data/models`, and their cards in docs/models.md. */

import { describe, SpikewasmError } from '../errors.js'
import { type LoadOptions, loadModel } from '../load.js'
import type { Model } from '../model.js'
import { addressesOf, readFirst } from '../runtime/package-file.js'

/** What is known of the weights of a name; a new one is one line here and a card. */
const entries: Readonly<Record<PretrainedName, Entry>> = {
  'fashion-mnist-cnn': {
    dataset: 'fashion-mnist',
    url: () => new URL('../../../data/models/fashion-mnist-cnn.safetensors', import.meta.url),
  },
  nmnist: {
    dataset: 'nmnist',
    url: () => new URL('../../../data/models/nmnist.safetensors', import.meta.url),
  },
}

interface Entry {
  readonly dataset: string
  /** Bundlers copy the files that are named so. */
  readonly url: () => URL
}

/** A safetensors file: its header is JSON. */
const isWeights = (bytes: Uint8Array): boolean => bytes[8] === 0x7b

const MEND = 'fetch it from node_modules/spikewasm/data/models, and give its bytes to loadModel'

/** Name of a trained network that comes with the package. */
export type PretrainedName = 'fashion-mnist-cnn' | 'nmnist'

/** Names of the trained networks that `pretrained` knows. */
export const pretrainedNames = Object.keys(entries) as readonly PretrainedName[]

/**
 * A trained network that comes with the package, with its weights: it predicts and evaluates; with
 * `purpose: 'train'` it trains on. docs/models.md says what each was trained with, and how good it
 * is.
 *
 * @param name one of `pretrainedNames`
 * @param options those of `loadModel`
 * @throws SpikewasmError for another name, or when the file is missing
 */
export async function pretrained(name: PretrainedName, options: LoadOptions = {}): Promise<Model> {
  const url = pretrainedFile('pretrained', name)
  const addresses = addressesOf(url, `data/models/${name}.safetensors`)
  const { bytes } = await readFirst(addresses, isWeights, MEND)
  return loadModel(bytes, options)
}

/**
 * Where the weights of a name lie.
 *
 * @param what asks for it, for the message
 * @throws SpikewasmError for another name
 */
export function pretrainedFile(what: string, name: string): URL {
  if (typeof name !== 'string' || !Object.hasOwn(entries, name))
    throw new SpikewasmError(
      `${what} must be one of ${pretrainedNames.join(', ')}, got ${describe(name)}`,
    )
  return entries[name as PretrainedName].url()
}

/** The data set, by its name on the command line, that the weights of a name belong to. */
export const pretrainedDataset = (name: PretrainedName): string => entries[name].dataset
