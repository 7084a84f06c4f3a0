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

/** Header limit of the reference implementation, in bytes. */
const HEADER_LIMIT = 100_000_000

interface TensorArrays {
  BOOL: Uint8Array
  U8: Uint8Array
  I8: Int8Array
  I16: Int16Array
  U16: Uint16Array
  /** Raw bits; `toFloat32` converts. */
  F16: Uint16Array
  /** Raw bits; `toFloat32` converts. */
  BF16: Uint16Array
  I32: Int32Array
  U32: Uint32Array
  F32: Float32Array
  F64: Float64Array
  I64: BigInt64Array
  U64: BigUint64Array
}

export type Dtype = keyof TensorArrays

/**
 * An n-dimensional array in row-major order; `data` holds the product of `shape` elements. A scalar
 * has the shape `[]`.
 */
export type Tensor = {
  [D in Dtype]: {
    readonly dtype: D
    readonly shape: readonly number[]
    readonly data: TensorArrays[D]
  }
}[Dtype]

export interface TensorFile {
  readonly tensors: Map<string, Tensor>
  readonly metadata: Record<string, string>
}

/**
 * In the order of the reference implementation: it writes tensors by descending place here, then by
 * name, so that all are aligned.
 */
const CONSTRUCTORS = {
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
} as const satisfies Record<Dtype, unknown>

const DTYPES = Object.keys(CONSTRUCTORS) as Dtype[]

interface Entry {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: number[]
  readonly begin: number
  readonly end: number
}

/**
 * Reads a safetensors file. The tensors are copies: `bytes` may be reused afterwards.
 *
 * @param bytes the whole file
 * @param name what error messages call the file, usually its path
 * @throws SpikewasmError that names the file, the tensor, what was expected and what came, if
 *   anything is out of order
 */
export function parseSafetensors(bytes: Uint8Array, name = 'safetensors file'): TensorFile {
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
  const tensors = new Map<string, Tensor>()
  for (const { name: key, dtype, shape, begin, end } of entries) {
    // A buffer of its own is aligned for any element.
    const { buffer } = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end))
    tensors.set(key, { dtype, shape, data: new CONSTRUCTORS[dtype](buffer) } as Tensor)
  }
  return { tensors, metadata }
}

/**
 * Writes a safetensors file. The same tensors and metadata give the same bytes in whatever order
 * they come.
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
  if (keys.length > 0) {
    for (const key of keys) {
      if (typeof metadata[key] !== 'string') {
        throw new SpikewasmError(
          `safetensors: metadata "${key}" must be a string, got ${show(metadata[key])}; convert it with JSON.stringify`,
        )
      }
    }
    items.push(
      `"__metadata__":{${keys.map((key) => `${JSON.stringify(key)}:${JSON.stringify(metadata[key])}`).join(',')}}`,
    )
  }
  let dataBytes = 0
  for (const [name, tensor] of list) {
    checkTensor(name, tensor)
    const end = dataBytes + tensor.data.byteLength
    items.push(
      `${JSON.stringify(name)}:{"dtype":"${tensor.dtype}","shape":${JSON.stringify(tensor.shape)},"data_offsets":[${dataBytes},${end}]}`,
    )
    dataBytes = end
  }

  const json = new TextEncoder().encode(`{${items.join(',')}}`)
  const headerBytes = roundUp(json.length, 8)
  if (headerBytes > HEADER_LIMIT) {
    throw new SpikewasmError(
      `safetensors: the header must be at most ${HEADER_LIMIT} bytes, got ${headerBytes}; store fewer tensors or less metadata`,
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

/**
 * The elements as float32, in the tensor's order. F32 data is returned as it is; every other type
 * is converted into a new array (64-bit values are rounded; BOOL gives 0 and 1).
 */
export function toFloat32(tensor: Tensor): Float32Array {
  switch (tensor.dtype) {
    case 'F32':
      return tensor.data
    case 'F16':
      return Float32Array.from(tensor.data, halfToFloat)
    case 'BF16': {
      // bfloat16 is the upper half of a float32.
      const out = new Float32Array(tensor.data.length)
      const bits = new Uint32Array(out.buffer)
      for (let i = 0; i < bits.length; i++) bits[i] = tensor.data[i] << 16
      return out
    }
    case 'I64':
    case 'U64': {
      const out = new Float32Array(tensor.data.length)
      for (let i = 0; i < out.length; i++) out[i] = Number(tensor.data[i])
      return out
    }
    default:
      return Float32Array.from(tensor.data)
  }
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

/** The JSON text of the header and the byte at which the data starts. */
function readHeader(bytes: Uint8Array, name: string): { text: string; dataStart: number } {
  if (bytes.length < 8)
    fail(name, 'must start with a header length of 8 bytes', `a file of ${bytes.length} bytes`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const headerBytes = view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true)
  if (headerBytes > HEADER_LIMIT)
    fail(
      name,
      `header length must be at most ${HEADER_LIMIT} bytes`,
      `${headerBytes}; is it a safetensors file?`,
    )
  if (headerBytes > bytes.length - 8) {
    fail(
      name,
      `header of ${headerBytes} bytes must fit in the file`,
      `${bytes.length - 8} bytes after the length; the file is truncated`,
    )
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(8, 8 + headerBytes),
    )
    return { text, dataStart: 8 + headerBytes }
  } catch {
    fail(name, 'header must be UTF-8', 'other bytes')
  }
}

function parseHeader(text: string, name: string): Record<string, unknown> {
  if (!text.startsWith('{')) fail(name, 'header must start with "{"', show(text.slice(0, 1)))
  let header: unknown
  try {
    header = JSON.parse(text)
  } catch (error) {
    fail(name, 'header must be valid JSON', `an error: ${(error as Error).message}`)
  }
  const duplicate = findDuplicateKey(text)
  if (duplicate !== undefined)
    fail(name, 'header must have each name once', `${show(duplicate)} twice`)
  return header as Record<string, unknown>
}

/**
 * The first key that an object of the valid JSON `text` has twice, at any depth: JSON.parse would
 * silently take the last one, which lets two readers see different tensors in one file.
 */
function findDuplicateKey(text: string): string | undefined {
  const open: (Set<string> | null)[] = []
  let string = ''
  for (let i = 0; i < text.length; i++) {
    switch (text[i]) {
      case '{':
        open.push(new Set())
        break
      case '[':
        open.push(null)
        break
      case '}':
      case ']':
        open.pop()
        break
      case ':': {
        const key = JSON.parse(string) as string
        const keys = open[open.length - 1] as Set<string>
        if (keys.has(key)) return key
        keys.add(key)
        break
      }
      case '"': {
        const start = i++
        while (text[i] !== '"') i += text[i] === '\\' ? 2 : 1
        string = text.slice(start, i + 1)
        break
      }
    }
  }
  return undefined
}

function checkMetadata(value: unknown, name: string): Record<string, string> {
  if (!isObject(value)) fail(name, '__metadata__ must be an object of strings', show(value))
  for (const [key, item] of Object.entries(value)) {
    if (typeof item !== 'string')
      fail(name, `__metadata__ ${show(key)} must be a string`, show(item))
  }
  return value as Record<string, string>
}

function checkEntry(key: string, value: unknown, dataBytes: number, file: string): Entry {
  const tensor = `tensor ${show(key)}`
  if (!isObject(value))
    fail(file, `${tensor} must be an object {dtype, shape, data_offsets}`, show(value))
  for (const field of Object.keys(value)) {
    if (field !== 'dtype' && field !== 'shape' && field !== 'data_offsets') {
      fail(file, `${tensor} must have the fields dtype, shape, data_offsets alone`, show(field))
    }
  }
  const { dtype, shape, data_offsets: offsets } = value
  if (!DTYPES.includes(dtype as Dtype))
    fail(file, `${tensor} dtype must be one of ${DTYPES.join(', ')}`, show(dtype))
  if (!Array.isArray(shape) || !shape.every(isCount))
    fail(file, `${tensor} shape must be an array of integers >= 0`, show(shape))
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    fail(file, `${tensor} data_offsets must be two integers >= 0`, show(offsets))
  }
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataBytes) {
    fail(
      file,
      `${tensor} data_offsets must be ordered and within the ${dataBytes} bytes of data`,
      `[${begin}, ${end}]`,
    )
  }
  const expected = countElements(shape) * CONSTRUCTORS[dtype as Dtype].BYTES_PER_ELEMENT
  if (expected !== end - begin) {
    fail(
      file,
      `${tensor} of type ${String(dtype)} and shape [${shape.join(', ')}] must have ${expected} bytes`,
      `${end - begin}`,
    )
  }
  return { name: key, dtype: dtype as Dtype, shape, begin, end }
}

/** Every byte of the data belongs to exactly one tensor, so that nothing can hide in the file. */
function checkContiguous(entries: readonly Entry[], dataBytes: number, file: string): void {
  let covered = 0
  for (const { name, begin, end } of [...entries].sort(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== covered) {
      const why = begin < covered ? 'it overlaps the tensor before it' : 'there is a hole before it'
      fail(
        file,
        `tensor ${show(name)} must start at byte ${covered} of the data`,
        `${begin}: ${why}`,
      )
    }
    covered = end
  }
  if (covered !== dataBytes)
    fail(
      file,
      `tensors must cover the ${dataBytes} bytes of data`,
      `${covered} bytes; the rest is unused`,
    )
}

function checkTensor(name: string, { dtype, shape, data }: Tensor): void {
  if (name === '__metadata__')
    throw new SpikewasmError(
      'safetensors: a tensor must not be named "__metadata__", got one; give it another name',
    )
  if (!DTYPES.includes(dtype)) {
    throw new SpikewasmError(
      `safetensors: tensor ${show(name)} dtype must be one of ${DTYPES.join(', ')}, got ${show(dtype)}`,
    )
  }
  if (!(data instanceof CONSTRUCTORS[dtype])) {
    throw new SpikewasmError(
      `safetensors: tensor ${show(name)} of type ${dtype} must hold a ${CONSTRUCTORS[dtype].name}, got ${Object(data).constructor.name}`,
    )
  }
  if (!shape.every(isCount) || countElements(shape) !== data.length) {
    throw new SpikewasmError(
      `safetensors: tensor ${show(name)} shape must have a product of ${data.length} elements, got [${shape.join(', ')}]`,
    )
  }
}

function countElements(shape: readonly number[]): number {
  let count = 1
  for (const size of shape) count *= size
  return count
}

/**
 * Order of UTF-8 bytes, which is how the reference implementation sorts names; `<` on strings
 * compares UTF-16 units.
 */
function compareCodePoints(a: string, b: string): number {
  const left = Array.from(a, (char) => char.codePointAt(0)!)
  const right = Array.from(b, (char) => char.codePointAt(0)!)
  for (let i = 0; i < Math.min(left.length, right.length); i++)
    if (left[i] !== right[i]) return left[i] - right[i]
  return left.length - right.length
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A value of the header as an error message shows it: quoted, on one line, cut when long or nested.
 */
function show(value: unknown): string {
  if (Array.isArray(value))
    return `[${value.slice(0, 8).map((item) => (typeof item === 'object' ? '…' : show(item)))}${value.length > 8 ? ',…' : ''}]`
  if (isObject(value)) return 'an object'
  const text = JSON.stringify(value) ?? String(value)
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

function fail(file: string, rule: string, got: string): never {
  throw new SpikewasmError(`${file}: ${rule}, got ${got}`)
}
