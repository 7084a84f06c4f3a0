/**
 * A checkpoint as one safetensors file: tensors by name, and what else there is as JSON in its
 * metadata, with a hash over both.
 */

import { quote, SpikewasmError } from '../errors.js'
import type { StateDict } from '../runtime/state.js'
import { parseJson } from './json.js'
import { parseFloats, serializeSafetensors } from './safetensors.js'

/** What a checkpoint holds: nothing of it is code. */
export interface CheckpointContent {
  readonly tensors: StateDict
  /** Plain data. */
  readonly about: unknown
}

/** Of the layout of the file; another number is refused. */
const VERSION = '1'

/**
 * The same content gives the same bytes.
 *
 * @param content numbers of `about` must be finite
 * @param text `about` as JSON, for callers that know parts of it already
 */
export async function serializeCheckpoint(
  { tensors, about }: CheckpointContent,
  text = JSON.stringify(about),
): Promise<Uint8Array> {
  const entries = Object.fromEntries(
    Object.entries(tensors).map(([name, { shape, data }]) => [
      name,
      { dtype: 'F32' as const, shape, data },
    ]),
  )
  return serializeSafetensors(entries, {
    format: 'pt',
    'spikewasm.checkpoint': VERSION,
    'spikewasm.about': text,
    'spikewasm.sha256': await hashOf(tensors, text),
  })
}

/**
 * @param name what error messages call the file, usually its path
 * @throws SpikewasmError when the file is damaged, no checkpoint, or of another version
 */
export async function parseCheckpoint(bytes: Uint8Array, name: string): Promise<CheckpointContent> {
  const { tensors, metadata } = parseFloats(bytes, name)
  const version = metadata['spikewasm.checkpoint']
  if (version === undefined)
    throw new SpikewasmError(
      `${name}: must be a checkpoint, got a safetensors file without one; load weights with ` +
        'model.load, or train --load',
    )
  if (version !== VERSION)
    throw new SpikewasmError(
      `${name}: the checkpoint must have version ${VERSION}, got ${quote(version)}; ` +
        'another version of spikewasm wrote it: resume with that one',
    )
  const text = metadata['spikewasm.about'] ?? ''
  if (metadata['spikewasm.sha256'] !== (await hashOf(tensors, text)))
    throw new SpikewasmError(
      `${name}: the checkpoint must have the hash that it was written with, got another: it is ` +
        'damaged or was changed; use one from before',
    )
  return { tensors, about: parseJson(text, name, 'the checkpoint') }
}

/** SHA-256 over the JSON and all tensors, in the order of their names; hexadecimal. */
async function hashOf(tensors: StateDict, text: string): Promise<string> {
  const names = Object.keys(tensors).sort()
  const shapes = names.map((name) => [name, tensors[name].shape])
  const head = new TextEncoder().encode(JSON.stringify([text, shapes]))
  const arrays = names.map((name) => {
    const { buffer, byteOffset, byteLength } = tensors[name].data
    return new Uint8Array(buffer, byteOffset, byteLength)
  })
  return sha256([head, ...arrays])
}

/** SHA-256 of bytes, one behind the other; hexadecimal. */
async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  if (typeof process !== 'undefined') {
    // It needs no copy.
    const { createHash } = await import('node:crypto')
    const hash = createHash('sha256')
    for (const bytes of parts) hash.update(bytes)
    return hash.digest('hex')
  }
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const bytes of parts) {
    all.set(bytes, at)
    at += bytes.length
  }
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', all))
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
