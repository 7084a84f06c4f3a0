/** Trained weights that come with the package: `data/models`, and their cards in docs/models.md. */

import { describe, SpikewasmError } from '../errors.js'
import { type LoadOptions, loadModel } from '../load.js'
import type { Model } from '../model.js'

/** What is known of the weights of a name; a new one is one line here and a card. */
const entries: Readonly<Record<PretrainedName, { readonly dataset: string }>> = {
  'fashion-mnist-cnn': { dataset: 'fashion-mnist' },
  nmnist: { dataset: 'nmnist' },
}

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
  if (url.protocol !== 'file:')
    return loadModel(new Uint8Array(await (await fetch(url)).arrayBuffer()), options)
  const { fileURLToPath } = await import('node:url')
  return loadModel(fileURLToPath(url), options)
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
  return new URL(`../../../data/models/${name}.safetensors`, import.meta.url)
}

/** The data set, by its name on the command line, that the weights of a name belong to. */
export const pretrainedDataset = (name: PretrainedName): string => entries[name].dataset
