/**
 * A checkpoint as one safetensors file: tensors by name, records of epochs as lines of JSON, and
 * what else there is as JSON in its metadata, with a hash over all.
 */

import { fail, quote } from '../base/errors.js'
import { sha256 } from '../base/hash.js'
import type { StateDict } from '../engine/memory/state.js'
import { checkSize, parseJson } from './json.js'
import { floatTensors, MOST_TENSORS, parseFloats, serializeSafetensors } from './safetensors.js'

/** What a checkpoint holds: nothing of it is code. */
export interface CheckpointContent {
  /** Arrays by name: parameters, statistics, what the optimizer and callbacks keep. */
  readonly tensors: StateDict
  /** Plain data. Of its `records`, there may be any number. */
  readonly about: unknown
}

/** Version of the layout of the file; another number is refused. */
const VERSION = '1'

/** The lines, as a tensor of bytes: a text of the header has bounds. */
const RECORDS = 'spikewasm.records'

/** Fewer than any record has: so objects take no more memory than a few times their lines. */
const LEAST_OF_LINE = 32
const MOST_OF_LINE = 4_000_000

/**
 * The same content gives the same bytes.
 *
 * @param content numbers of `about` must be finite
 * @throws SpikewasmError for what could not be read again
 */
export async function serializeCheckpoint(
  { tensors, about }: CheckpointContent,
  { text, lines } = knownOf(about),
): Promise<Uint8Array> {
  checkSize(text, 'the checkpoint', 'what it holds beside arrays')
  const count = Object.keys(tensors).length + 1
  if (count > MOST_TENSORS)
    fail(
      `the checkpoint must hold at most ${MOST_TENSORS} arrays, got ${count}; let callbacks keep ` +
        'fewer',
    )
  const records = { dtype: 'U8' as const, shape: [lines.length], data: lines }
  return serializeSafetensors(
    { ...floatTensors(tensors), [RECORDS]: records },
    {
      format: 'pt',
      'spikewasm.checkpoint': VERSION,
      'spikewasm.about': text,
      'spikewasm.sha256': hashOf(tensors, text, lines),
    },
  )
}

/** `about` as JSON without its records, and these, each as JSON and a line break. */
function knownOf(about: unknown): { readonly text: string; readonly lines: Uint8Array } {
  const { records, ...rest } = (about ?? {}) as { readonly records?: unknown }
  const lines = (Array.isArray(records) ? records : []).map((one) => `${JSON.stringify(one)}\n`)
  return { text: JSON.stringify(rest), lines: new TextEncoder().encode(lines.join('')) }
}

/**
 * @param name what error messages call the file, usually its path
 * @throws SpikewasmError when the file is damaged, no checkpoint, or of another version
 */
export async function parseCheckpoint(bytes: Uint8Array, name: string): Promise<CheckpointContent> {
  const { tensors, metadata, bytes: lines } = parseFloats(bytes, name, RECORDS)
  const version = metadata['spikewasm.checkpoint']
  if (version === undefined)
    fail(
      `${name}: must be a checkpoint, got a safetensors file without one; load weights with ` +
        'model.load, or train --load',
    )
  if (version !== VERSION)
    fail(
      `${name}: the checkpoint must have version ${VERSION}, got ${quote(version)}; ` +
        'another version of spikewasm wrote it: resume with that one',
    )
  const text = metadata['spikewasm.about'] ?? ''
  if (!lines || metadata['spikewasm.sha256'] !== hashOf(tensors, text, lines))
    fail(
      `${name}: the checkpoint must have the hash that it was written with, got another: it is ` +
        'damaged or was changed; use one from before',
    )
  const about = parseJson(text, name, 'the checkpoint')
  if (typeof about !== 'object' || about === null || Array.isArray(about)) return { tensors, about }
  return { tensors, about: { ...about, records: parseLines(lines, name) } }
}

/** Records, line by line: their number has no bound but the size of the file. */
function parseLines(bytes: Uint8Array, name: string): unknown[] {
  const records: unknown[] = []
  const decoder = new TextDecoder('utf-8')
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at)
    const length = end - at
    const what = `record ${records.length + 1}`
    if (end < 0 || length < LEAST_OF_LINE || length > MOST_OF_LINE)
      fail(
        `${name}: ${what} must be a line of ${LEAST_OF_LINE} to ${MOST_OF_LINE} bytes, got ` +
          `${end < 0 ? 'one without an end' : length}; use a checkpoint from before`,
      )
    // A figure with its name has six characters at least, and counts for two.
    const limits = { depth: 4, values: 16 + Math.ceil(length / 3) }
    records.push(parseJson(decoder.decode(bytes.subarray(at, end)), name, what, limits))
    at = end + 1
  }
  return records
}

/** SHA-256 over the JSON, the lines and all tensors, in the order of their names; hexadecimal. */
function hashOf(tensors: StateDict, text: string, lines: Uint8Array): string {
  const names = Object.keys(tensors).sort()
  const shapes = names.map((name) => [name, tensors[name].shape])
  const head = new TextEncoder().encode(JSON.stringify([text, shapes, lines.length]))
  const arrays = names.map((name) => {
    const { buffer, byteOffset, byteLength } = tensors[name].data
    return new Uint8Array(buffer, byteOffset, byteLength)
  })
  // The hash of pages would need a copy.
  return sha256([head, lines, ...arrays])
}
