/** The header of a safetensors file: read, parsed, and checked against the data behind it. */

import { fail, quote } from '../errors.js'
import { duplicateKey, parseJson } from './json.js'
import { CONSTRUCTORS, countElements, DTYPES, type Dtype, isCount } from './tensor.js'

/**
 * Bytes of a header; far more than a network of any size has. (The reference implementation allows
 * 100 MB, which takes gigabytes once it is parsed.)
 */
export const HEADER_LIMIT = 25_000_000

/** Names in a header. Each costs objects and arrays, however few bytes it has. */
export const MOST_TENSORS = 20_000

/** Sizes of a shape. */
const MOST_SIZES = 32

/** A tensor in the header; `begin` and `end` count bytes of the data. */
export interface Entry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: number[]
  readonly begin: number
  readonly end: number
}

/** The JSON text of the header and the byte at which the data starts. */
export function readHeader(bytes: Uint8Array, name: string): { text: string; dataStart: number } {
  if (bytes.length < 8)
    fail(`${name}: must start with a header length of 8 bytes, got a file of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const headerBytes = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
  if (headerBytes > HEADER_LIMIT)
    fail(
      `${name}: header length must be at most ${HEADER_LIMIT} bytes, got ${headerBytes}; is it a ` +
        'safetensors file?',
    )
  if (headerBytes > bytes.length - 8)
    fail(
      `${name}: header of ${headerBytes} bytes must fit in the file, got ${bytes.length - 8} ` +
        'bytes after the length; the file is truncated',
    )
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(8, 8 + headerBytes),
    )
    return { text, dataStart: 8 + headerBytes }
  } catch {
    fail(`${name}: header must be UTF-8, got other bytes`)
  }
}

/** The header as an object whose keys appear once each. */
export function parseHeader(text: string, name: string): Record<string, unknown> {
  if (!text.startsWith('{'))
    fail(`${name}: header must start with "{", got ${show(text.slice(0, 1))}`)
  // A tensor of four sizes has 14 values.
  const values = 14 * MOST_TENSORS
  const limits = { length: HEADER_LIMIT, depth: 8, values, once: duplicateKey }
  const header = parseJson(text, name, 'header', limits) as Record<string, unknown>
  const count = Object.keys(header).length
  if (count > MOST_TENSORS + 1)
    fail(`${name}: header must hold at most ${MOST_TENSORS} tensors, got ${count}`)
  return header
}

/** @throws SpikewasmError unless `__metadata__` holds strings alone */
export function checkMetadata(value: unknown, name: string): Record<string, string> {
  if (!isObject(value))
    fail(`${name}: __metadata__ must be an object of strings, got ${show(value)}`)
  for (const [key, item] of Object.entries(value))
    if (typeof item !== 'string')
      fail(`${name}: __metadata__ ${show(key)} must be a string, got ${show(item)}`)
  return value as Record<string, string>
}

/** @throws SpikewasmError unless a tensor has a known type and as many bytes as its shape needs */
export function checkEntry(key: string, value: unknown, dataBytes: number, file: string): Entry {
  const must = (rule: string, got: unknown): never =>
    fail(`${file}: tensor ${show(key)} ${rule}, got ${show(got)}`)
  if (!isObject(value)) return must('must be an object {dtype, shape, data_offsets}', value)
  for (const field of Object.keys(value))
    if (!['dtype', 'shape', 'data_offsets'].includes(field))
      must('must have the fields dtype, shape, data_offsets alone', field)
  const { dtype, shape, data_offsets: offsets } = value
  if (!DTYPES.includes(dtype as Dtype)) must(`dtype must be one of ${DTYPES.join(', ')}`, dtype)
  if (!Array.isArray(shape) || shape.length > MOST_SIZES || !shape.every(isCount))
    return must(`shape must be an array of at most ${MOST_SIZES} integers >= 0`, shape)
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount))
    return must('data_offsets must be two integers >= 0', offsets)
  const [begin, end] = offsets
  if (begin > end || end > dataBytes)
    fail(
      `${file}: tensor ${show(key)} data_offsets must be ordered and within the ${dataBytes} ` +
        `bytes of data, got [${begin}, ${end}]`,
    )
  const expected = countElements(shape) * CONSTRUCTORS[dtype as Dtype].BYTES_PER_ELEMENT
  if (expected !== end - begin)
    must(
      `of type ${String(dtype)} and shape [${shape.join(', ')}] must have ${expected} bytes`,
      end - begin,
    )
  return { name: key, dtype: dtype as Dtype, shape, begin, end }
}

/** Every byte of the data belongs to exactly one tensor, so that nothing can hide in the file. */
export function checkContiguous(entries: readonly Entry[], dataBytes: number, file: string): void {
  let covered = 0
  for (const { name, begin, end } of entries.toSorted(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    const why = begin < covered ? 'it overlaps the tensor before it' : 'there is a hole before it'
    if (begin !== covered)
      fail(
        `${file}: tensor ${show(name)} must start at byte ${covered} of the data, got ${begin}: ` +
          why,
      )
    covered = end
  }
  if (covered !== dataBytes)
    fail(
      `${file}: tensors must cover the ${dataBytes} bytes of data, got ${covered} bytes; the ` +
        'rest is unused',
    )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A value of the header as an error message shows it: quoted, on one line, cut when long or nested.
 */
export function show(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, 8).map((item) => (typeof item === 'object' ? '…' : show(item)))
    return `[${items}${value.length > 8 ? ',…' : ''}]`
  }
  if (isObject(value)) return 'an object'
  return typeof value === 'string' ? quote(value) : String(value)
}
