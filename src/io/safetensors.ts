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
import { SpikewasmError } from '../errors.js'
import { roundUp } from '../round-up.js'
import type { StateDict } from '../runtime/state.js'
import {
  checkContiguous,
  checkEntry,
  checkMetadata,
  type Entry,
  HEADER_LIMIT,
  parseHeader,
  readHeader,
  show,
} from './safetensors-header.js'
import {
  CONSTRUCTORS,
  countElements,
  DTYPES,
  type Dtype,
  isCount,
  type Tensor,
  toFloat32,
} from './tensor.js'

export { type Dtype, type Tensor, toFloat32 }

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
    throw new SpikewasmError(
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
  const list =
    tensors instanceof Map ? [...tensors] : Object.entries(tensors as Record<string, Tensor>)
  list.sort(
    ([nameA, a], [nameB, b]) =>
      DTYPES.indexOf(b.dtype) - DTYPES.indexOf(a.dtype) || compareCodePoints(nameA, nameB),
  )

  const items: string[] = []
  const keys = Object.keys(metadata).sort(compareCodePoints)
  for (const key of keys)
    if (typeof metadata[key] !== 'string')
      throw new SpikewasmError(
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
  if (headerBytes > HEADER_LIMIT) {
    throw new SpikewasmError(
      `safetensors: the header must be at most ${HEADER_LIMIT} bytes, got ` +
        `${headerBytes}; store fewer tensors or less metadata`,
    )
  }
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
  const fail = (rule: string, got: string): never => {
    throw new SpikewasmError(`safetensors: tensor ${show(name)} ${rule}, got ${got}`)
  }
  if (name === '__metadata__')
    throw new SpikewasmError(
      'safetensors: a tensor must not be named "__metadata__", got one; give it another name',
    )
  if (!DTYPES.includes(dtype)) fail(`dtype must be one of ${DTYPES.join(', ')}`, show(dtype))
  if (!(data instanceof CONSTRUCTORS[dtype]))
    fail(
      `of type ${dtype} must hold a ${CONSTRUCTORS[dtype].name}`,
      Object(data).constructor.name as string,
    )
  if (!shape.every(isCount) || countElements(shape) !== data.length)
    fail(`shape must have a product of ${data.length} elements`, `[${shape.join(', ')}]`)
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
