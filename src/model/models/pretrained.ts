/** Trained weights by name: `data/models`, and others that are too large for the package. */

import { checkArguments, checkOptions, describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import { readOwn } from '../../engine/package-file.js'
import { platform } from '../../engine/platform.js'
import { compileOptionKeys } from '../compile.js'
import { type LoadOptions, loadedAs } from '../load.js'
import type { Model } from '../model.js'
import { hashes, isPacked, isPublished, type PretrainedName, releaseOf } from './table.js'

export { type PretrainedName, pretrainedDataset } from './table.js'

/** Names of the trained networks that `pretrained` knows. */
export const pretrainedNames = Object.keys(hashes) as readonly PretrainedName[]

/** Options of `pretrained`. */
export interface PretrainedOptions extends LoadOptions {
  /**
   * Where the file of the weights is, or its bytes: a page has to say so. They must be the very
   * file that the name stands for. A file that is too large for the package comes from the
   * release. Default: in the package.
   */
  from?: string | host.URL | Uint8Array
}

/**
 * A trained network, with its weights: it predicts and evaluates; with `purpose: 'train'` it trains
 * on. docs/models.md says what each was trained with, and how good it is.
 *
 * @param name one of `pretrainedNames`
 * @param options those of `loadModel`, and where the file is
 * @throws SpikewasmError for another name, and when the file is missing, cannot be got, or is not
 *   the one of this name
 */
export async function pretrained(
  name: PretrainedName,
  options: PretrainedOptions = {},
  ...more: []
): Promise<Model> {
  checkArguments('pretrained', more)
  checkOptions('pretrained', options, ['from', ...compileOptionKeys])
  const { from, ...own } = copyOf(options)
  return loadedAs('pretrained', await pretrainedBytes('pretrained', name, from), own)
}

/**
 * The file of a name, whose hash is right.
 *
 * @param what asks for it, for messages
 * @throws SpikewasmError as `pretrained`
 */
export async function pretrainedBytes(
  what: string,
  name: PretrainedName,
  from?: string | host.URL | Uint8Array,
): Promise<Uint8Array> {
  if (typeof name !== 'string' || !Object.hasOwn(hashes, name))
    fail(`${what} must be one of ${pretrainedNames.join(', ')}, got ${describe(name)}`)
  if (from instanceof Uint8Array) return checked(name, from, 'the bytes')
  if (from !== undefined) return fetched(name, from)
  if (isPacked(name)) return fromPackage(name)
  if (isPublished) return pretrainedBytes(what, name, releaseOf(name))
  return fail(
    `${what}: ${name} does not come with the package, and this version is in no release to get ` +
      `it from; give ${name}.safetensors as from, or on the command line as --weights`,
  )
}

/** A safetensors file: its header is JSON. */
const isWeights = (bytes: Uint8Array): boolean => bytes[8] === 0x7b

async function fromPackage(name: PretrainedName): Promise<Uint8Array> {
  const mend =
    'give pretrained its address or bytes, as from: with Vite, import weights from ' +
    `'spikewasm/models/${name}.safetensors?url'; elsewhere copy it from ` +
    'node_modules/spikewasm/data/models'
  const { url, bytes } = await readOwn(`data/models/${name}.safetensors`, isWeights, mend)
  return checked(name, bytes, url.href)
}

async function fetched(name: PretrainedName, from: string | host.URL): Promise<Uint8Array> {
  if (typeof from !== 'string' && !(from instanceof URL))
    fail(
      `pretrained.from must be the address of ${name}.safetensors or its bytes as a Uint8Array, ` +
        `got ${describe(from)}`,
    )
  const where = String(from).slice(0, 200)
  const read = async () => platform().readPackageFile(platform().address(from))
  const bytes = await read().catch((error: Error) => {
    // Without a network `fetch` says why in what caused its error.
    const { message, cause } = error
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message
    return fail(
      `pretrained: ${name} cannot be read from ${where} (${why}); give as from where ` +
        `${name}.safetensors is, or its bytes`,
      error,
    )
  })
  return checked(name, bytes, where)
}

/** @throws SpikewasmError unless the bytes are those of the name */
async function checked(name: PretrainedName, bytes: Uint8Array, where: string) {
  const found = await sha256(bytes)
  if (found === hashes[name]) return bytes
  return fail(
    `pretrained: ${where} must be ${name}.safetensors with SHA-256 ${hashes[name]}, got ` +
      `${bytes.length} bytes with ${found}; get the file of this version again, or open weights ` +
      'of your own with loadModel',
  )
}

/** 64 hexadecimal digits. */
async function sha256(bytes: Uint8Array): Promise<string> {
  const { subtle } = globalThis.crypto
  if (!subtle)
    fail(
      'pretrained: a page must come by https or from localhost, where browsers have SHA-256, got ' +
        'another; open the file with loadModel, which checks no hash',
    )
  const hash = new Uint8Array(await subtle.digest('SHA-256', bytes.slice()))
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
