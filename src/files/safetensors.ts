/**
 * Reading and writing the safetensors format, on bytes alone (no Node module: a browser can import
 * this file).
 *
 * ```
 * byte 0          8                    8 + N               end
 *      | N: u64 LE | N bytes of JSON    | data, no holes    |
 *                    {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
 *                    "__metadata__": {…}}
 * ```
 * Offsets count from 8 + N. All numbers are little-endian, as is every platform that runs
 * WebAssembly in practice.
 */

import { fail, quote } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'
import type { StateDict } from '../engine/memory/state.js'
import { sizeOf } from '../network/value.js'
import { duplicateKey, isObject, parseJson } from './json.js'

/**
 * Arrays by element type, in the order of the reference implementation. It writes tensors from the
 * last type here to the first, then by name, so that all are aligned. F16 and BF16 are raw bits,
 * which `toFloat32` converts.
 */
export const CONSTRUCTORS = {
  BOOL: Uint8Array,
  U8: Uint8Array,
  I8: Int8Array,
  I16: Int16Array,
  U16: Uint16Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I32: Int32Array,
  U32: Uint32Array,
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
} as const

export type Dtype = keyof typeof CONSTRUCTORS

/**
 * An n-dimensional array in row-major order; `data` holds the product of `shape` elements. A scalar
 * has the shape `[]`.
 */
export type Tensor = {
  [D in Dtype]: {
    readonly dtype: D
    readonly shape: readonly number[]
    readonly data: (typeof CONSTRUCTORS)[D]['prototype']
  }
}[Dtype]

/** Names of all element types. */
export const DTYPES = Object.keys(CONSTRUCTORS) as Dtype[]

/** Whether a value can be a size or an offset: an integer ≥ 0. */
export const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0

// The header of a safetensors file: read, parsed, and checked against the data behind it.

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
export type Entry = Readonly<ReturnType<typeof checkEntry>>

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
export function checkEntry(key: string, value: unknown, dataBytes: number, file: string) {
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
  const expected = sizeOf(shape) * CONSTRUCTORS[dtype as Dtype].BYTES_PER_ELEMENT
  if (expected !== end - begin)
    must(
      `of type ${String(dtype)} and shape [${shape.join(', ')}] must have ${expected} bytes`,
      end - begin,
    )
  return { name: key, dtype: dtype as Dtype, shape: shape as number[], begin, end }
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

/**
 * Reads a safetensors file. The tensors are copies: `bytes` may be reused afterwards.
 *
 * @param bytes the whole file
 * @param name what error messages call the file, usually its path
 * @throws SpikewasmError that names the file, the tensor, what was expected and what came, if
 *   anything is out of order
 */
export function parseSafetensors(bytes: Uint8Array, name = 'safetensors file') {
  const { entries, metadata, dataStart } = readEntries(bytes, name)
  const tensors = new Map<string, Tensor>()
  for (const entry of entries) tensors.set(entry.name, tensorOf(bytes, dataStart, entry))
  return { tensors, metadata }
}

/** Bytes of a file's 8-bit tensors, each of which becomes four. */
const MOST_BYTES = 1 << 24

/**
 * The same with all numbers as float32, converted one tensor after the other; the bytes of the
 * tensor `apart`, where it is there, are a view of the file.
 *
 * @param apart name of a tensor of type U8 that is given as it is
 * @throws SpikewasmError when the file is damaged, or holds more than 16 MiB of 8-bit numbers
 */
export function parseFloats(bytes: Uint8Array, name: string, apart?: string) {
  const { entries: all, metadata, dataStart } = readEntries(bytes, name)
  const other = all.find((entry) => entry.name === apart && entry.dtype === 'U8')
  const entries = all.filter((entry) => entry !== other)
  let small = 0
  for (const { dtype, begin, end } of entries)
    if (CONSTRUCTORS[dtype].BYTES_PER_ELEMENT === 1) small += end - begin
  if (small > MOST_BYTES)
    fail(
      `${name}: must hold weights as floating point, got ${small} bytes of 8-bit numbers; ` +
        'convert them first',
    )
  const tensors: Record<string, { shape: readonly number[]; data: Float32Array }> =
    Object.fromEntries(
      entries.map((entry) => {
        const data = toFloat32(tensorOf(bytes, dataStart, entry))
        return [entry.name, { shape: entry.shape, data }]
      }),
    )
  const beside = other && bytes.subarray(dataStart + other.begin, dataStart + other.end)
  return { tensors, metadata, ...(beside && { bytes: beside }) }
}

/** What the header says, checked against the data. */
function readEntries(bytes: Uint8Array, name: string) {
  const { text, dataStart } = readHeader(bytes, name)
  const header = parseHeader(text, name)
  const dataBytes = bytes.length - dataStart
  const entries: Entry[] = []
  let metadata: Record<string, string> = {}
  for (const [key, value] of Object.entries(header)) {
    if (key === '__metadata__') metadata = checkMetadata(value, name)
    else entries.push(checkEntry(key, value, dataBytes, name))
  }
  checkContiguous(entries, dataBytes, name)
  return { entries, metadata, dataStart }
}

function tensorOf(bytes: Uint8Array, dataStart: number, entry: Entry): Tensor {
  const { dtype, shape, begin, end } = entry
  // A buffer of its own is aligned for any element.
  const { buffer } = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end))
  return { dtype, shape, data: new CONSTRUCTORS[dtype](buffer) } as Tensor
}

/**
 * The elements as float32, in the tensor's order. F32 data is returned as it is; every other type
 * is converted into a new array (64-bit values are rounded; BOOL gives 0 and 1).
 */
export function toFloat32(tensor: Tensor): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return tensor.data
    case 'F16':
      return converted(tensor.data, halfToFloat)
    case 'BF16': {
      // bfloat16 is the upper half of a float32.
      const out = new Float32Array(tensor.data.length)
      const bits = new Uint32Array(out.buffer)
      for (let i = 0; i < bits.length; i++) bits[i] = tensor.data[i] << 16
      return out
    }
    case 'I64':
    case 'U64':
      return converted<bigint>(tensor.data, Number)
    default:
      return new Float32Array(tensor.data)
  }
}

/** A loop: `Float32Array.from` makes a list of all elements first. */
function converted<T>(data: ArrayLike<T>, convert: (element: T) => number): Float32Array {
  const out = new Float32Array(data.length)
  for (let i = 0; i < out.length; i++) out[i] = convert(data[i])
  return out
}

/** The value of an IEEE 754 binary16 number: sign 1 bit, exponent 5 bits, fraction 10 bits. */
function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 31
  const fraction = bits & 1023
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Numbers as tensors of float32. */
export const floatTensors = (state: StateDict): Record<string, Tensor> =>
  Object.fromEntries(
    Object.entries(state).map(([name, { shape, data }]) => [name, { dtype: 'F32', shape, data }]),
  )

/**
 * Writes a safetensors file. The same tensors and metadata give the same bytes, in whatever
 * order they come.
 *
 * @param tensors arrays by name; `data` must hold exactly the product of `shape` elements
 * @param metadata strings by name, stored under `__metadata__`; left out when empty
 * @throws SpikewasmError that names the tensor whose name, shape or data is wrong
 */
export function serializeSafetensors(
  tensors: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const list: [string, Tensor][] = tensors instanceof Map ? [...tensors] : Object.entries(tensors)
  list.sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || compareCodePoints(nameA, nameB),
  )
  const items: string[] = []
  const keys = Object.keys(metadata).sort(compareCodePoints)
  for (const key of keys)
    if (typeof metadata[key] !== 'string')
      fail(
        `safetensors: metadata "${key}" must be a string, got ${show(metadata[key])}; ` +
          'convert it with JSON.stringify',
      )
  const pairs = keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`)
  if (keys.length > 0) items.push(`"__metadata__":{${pairs.join(',')}}`)
  let dataBytes = 0
  for (const [name, tensor] of list) {
    checkTensor(name, tensor)
    const end = dataBytes + tensor.data.byteLength
    items.push(
      `${JSON.stringify(name)}:{"dtype":"${tensor.dtype}",` +
        `"shape":${JSON.stringify(tensor.shape)},"data_offsets":[${dataBytes},${end}]}`,
    )
    dataBytes = end
  }

  const json = new TextEncoder().encode(`{${items.join(',')}}`)
  const headerBytes = roundUp(json.length, 8)
  if (headerBytes > HEADER_LIMIT)
    fail(
      `safetensors: the header must be at most ${HEADER_LIMIT} bytes, got ${headerBytes}; store ` +
        'fewer tensors or less metadata',
    )
  const out = new Uint8Array(8 + headerBytes + dataBytes)
  new DataView(out.buffer).setUint32(0, headerBytes, true)
  out.set(json, 8)
  out.fill(0x20, 8 + json.length, 8 + headerBytes)
  let offset = 8 + headerBytes
  for (const [, { data }] of list) {
    out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
    offset += data.byteLength
  }
  return out
}

function checkTensor(name: string, { dtype, shape, data }: Tensor): void {
  const must = (rule: string, got: string): never =>
    fail(`safetensors: tensor ${show(name)} ${rule}, got ${got}`)
  if (name === '__metadata__')
    fail('safetensors: a tensor must not be named "__metadata__", got one; give it another name')
  if (!DTYPES.includes(dtype)) must(`dtype must be one of ${DTYPES.join(', ')}`, show(dtype))
  const array = CONSTRUCTORS[dtype]
  if (!(data instanceof array))
    must(`of type ${dtype} must hold a ${array.name}`, Object(data).constructor.name as string)
  if (!shape.every(isCount) || sizeOf(shape) !== data.length)
    must(`shape must have a product of ${data.length} elements`, `[${shape.join(', ')}]`)
}

/**
 * Order by UTF-8 bytes, as the reference implementation sorts names. (`<` on strings would compare
 * UTF-16 units.)
 */
function compareCodePoints(a: string, b: string): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)]
    // Halves of code points above all others.
    if (x !== y) return isHalf(x) === isHalf(y) ? x - y : isHalf(x) ? 1 : -1
  }
  return a.length - b.length
}

const isHalf = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdfff
