/** Trained weights by name: `data/models`, and others that are too large for the package. */

import { checkArguments, describe, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import { sha256 } from '../../base/sha256.js'
import { readOwn } from '../../engine/package-file.js'
import { platform } from '../../engine/platform.js'
import { type LoadOptions, loadModel } from '../load.js'
import type { Model } from '../model.js'
import { type Figures, figures, isPublished, type PretrainedName, releaseOf } from './table.js'

export type { PretrainedName } from './table.js'

const table: Readonly<Record<PretrainedName, Figures>> = figures

/** Names of the trained networks that `pretrained` knows. */
export const pretrainedNames = Object.keys(figures) as readonly PretrainedName[]

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
  const { from, ...own } = copyOf(options)
  return loadModel(await pretrainedBytes('pretrained', name, from), own)
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
  if (typeof name !== 'string' || !Object.hasOwn(table, name))
    fail(`${what} must be one of ${pretrainedNames.join(', ')}, got ${describe(name)}`)
  if (from instanceof Uint8Array) return checked(name, from, 'the bytes')
  if (from === undefined && table[name].isPacked) return fromPackage(name)
  if (from === undefined && !isPublished)
    fail(
      `${what}: ${name} does not come with the package, and this version is in no release to get ` +
        `it from; give ${name}.safetensors as from, or on the command line as --weights`,
    )
  if (from !== undefined && typeof from !== 'string' && !(from instanceof URL))
    fail(
      `pretrained.from must be the address of ${name}.safetensors or its bytes, got ` +
        describe(from),
    )
  const url = platform().address(from ?? releaseOf(name))
  const where = url.protocol === 'file:' ? decodeURIComponent(url.pathname) : url.href
  return checked(name, await fetched(name, url, where), where)
}

async function fromPackage(name: PretrainedName): Promise<Uint8Array> {
  const mend =
    'give pretrained its address or bytes, as from: with Vite, import weights from ' +
    `'spikewasm/models/${name}.safetensors?url'; elsewhere copy it from ` +
    'node_modules/spikewasm/data/models'
  const isRight = (bytes: Uint8Array): boolean => bytes.length === table[name].bytes
  const { url, bytes } = await readOwn(`data/models/${name}.safetensors`, isRight, mend)
  return checked(name, bytes, url.href)
}

async function fetched(name: PretrainedName, url: URL, where: string): Promise<Uint8Array> {
  try {
    return await platform().readPackageFile(url)
  } catch (error) {
    // Without a network `fetch` says why in what caused its error.
    const { message, cause } = error as Error
    const why = cause instanceof Error ? `${message}: ${cause.message}` : message
    const { bytes } = table[name]
    return fail(
      `pretrained: ${name}, a file of ${(bytes / 1e6).toFixed(1)} MB, cannot be read from ` +
        `${where} (${why}); give as from where ${name}.safetensors is, or its bytes`,
      error,
    )
  }
}

/** @throws SpikewasmError unless the bytes are those of the name */
function checked(name: PretrainedName, bytes: Uint8Array, where: string): Uint8Array {
  const { bytes: wanted, sha256: hash } = table[name]
  const found = sha256(bytes)
  if (found === hash) return bytes
  return fail(
    `pretrained: ${where} must be ${name}.safetensors, ${wanted} bytes with SHA-256 ${hash}, got ` +
      `${bytes.length} bytes with ${found}; get the file of this version again, or open weights ` +
      'of your own with loadModel',
  )
}
