/** Events in NumPy's files: structured arrays, [N, 4] arrays, and archives of t, x, y and p. */

import { quote } from '../../base/errors.js'
import { type EventRecording, gathered, refuse, type Sensor } from './recording.js'

// NumPy's .npy format, on bytes alone.
// ```
// \x93NUMPY | major minor | header length, u16 (1) or u32 (2, 3) LE | header | data
//             {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
// ```
// Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
/** Far more than a header with a shape has. */
export const LONGEST_HEADER = 10_000
const MOST_SIZES = 32

/** The header, a Python literal of which we read what NumPy writes; of a structure a list. */
const PATTERN = new RegExp(
  [
    /^\{\s*'descr'\s*:\s*('[^'\\]*'|\[[^\]]*\])\s*,/,
    /\s*'fortran_order'\s*:\s*(True|False)\s*,/,
    /\s*'shape'\s*:\s*\(([\d\s,]*)\)\s*,?\s*\}\s*$/,
  ]
    .map(({ source }) => source)
    .join(''),
)

/** Whether bytes are those of a .npy file. */
export const isNpy = (bytes: Uint8Array): boolean => MAGIC.every((byte, i) => bytes[i] === byte)

/**
 * @param name what error messages call the file
 * @returns the type as the header says it, the shape, and the bytes of the elements
 * @throws SpikewasmError for what is no .npy file of an array in C order
 */
export function parseNpy(
  bytes: Uint8Array,
  name: string,
): { readonly descr: string; readonly shape: readonly number[]; readonly data: Uint8Array } {
  if (!isNpy(bytes) || bytes.length < 12)
    refuse(name, 'begin with \\x93NUMPY', 'other bytes; is it a .npy file?')
  const [major] = bytes.subarray(6)
  if (major < 1 || major > 3) refuse(name, 'be of version 1, 2 or 3', String(major))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const begin = major === 1 ? 10 : 12
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  if (length > LONGEST_HEADER || begin + length > bytes.length)
    refuse(name, 'have its header within the file', `one of ${length} bytes; is it truncated?`)
  const header = new TextDecoder().decode(bytes.subarray(begin, begin + length))
  const [, descr, fortran, sizes] =
    PATTERN.exec(header) ??
    refuse(name, 'have a header with descr, fortran_order and shape', quote(header.trim()))
  if (fortran === 'True')
    refuse(name, 'be in C order; save numpy.ascontiguousarray(x)', 'one in Fortran order')
  const shape = sizes
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number)
  if (shape.length > MOST_SIZES || !shape.every(Number.isSafeInteger))
    refuse(name, `have a shape of at most ${MOST_SIZES} sizes`, quote(sizes))
  return { descr, shape, data: bytes.subarray(begin + length) }
}

/** Reads one number, by the letter and bytes of NumPy's type. */
type Read = (view: DataView, at: number) => number

const readers: Readonly<Record<string, Read>> = {
  b1: (view, at) => view.getUint8(at),
  u1: (view, at) => view.getUint8(at),
  i1: (view, at) => view.getInt8(at),
  u2: (view, at) => view.getUint16(at, true),
  i2: (view, at) => view.getInt16(at, true),
  u4: (view, at) => view.getUint32(at, true),
  i4: (view, at) => view.getInt32(at, true),
  u8: (view, at) => Number(view.getBigUint64(at, true)),
  i8: (view, at) => Number(view.getBigInt64(at, true)),
  f4: (view, at) => view.getFloat32(at, true),
  f8: (view, at) => view.getFloat64(at, true),
}

/** Whether a .npy file holds events, by its header: fields of a structure, or rows of four. */
export function isEventArray(bytes: Uint8Array): boolean {
  const header = new TextDecoder().decode(bytes.subarray(8, LONGEST_HEADER))
  return /^[^}]*'descr'\s*:\s*\[/.test(header) || /'shape'\s*:\s*\(\d+,\s*4\)/.test(header)
}

/**
 * A .npy file of events: a structured array with fields x, y, t and p (Tonic), or numbers [N, 4].
 *
 * @param order of the four columns, such as 'xytp'; default 'xypt' as in Tonic's DVSGesture
 * @throws SpikewasmError when it holds something else
 */
export function parseEventNpy(
  bytes: Uint8Array,
  name: string,
  sensor?: Sensor,
  order = 'xypt',
): EventRecording {
  const { count, column } = rowsOf(bytes, name, [...order])
  return gathered(name, sensor, count, ['x', 'y', 't', 'p'].map(column))
}

/**
 * The arrays t, x, y and p of an .npz archive (SpikingJelly's `events_np`), unpacked.
 *
 * @param files content of each array's .npy by its key
 * @throws SpikewasmError when one is missing, or they are not of one length
 */
export function parseEventArchive(
  files: ReadonlyMap<string, Uint8Array>,
  name: string,
  sensor?: Sensor,
): EventRecording {
  let count: number | undefined
  const columns = ['x', 'y', 't', 'p'].map((key) => {
    const bytes = files.get(key)
    if (!bytes) return refuse(name, 'have the arrays t, x, y and p', `none of the name ${key}`)
    const rows = rowsOf(bytes, `${name}: ${key}`, [''])
    count ??= rows.count
    if (rows.count !== count)
      refuse(name, `have ${count} numbers in each`, `${rows.count} in ${key}`)
    return rows.column('')
  })
  return gathered(name, sensor, count ?? 0, columns)
}

/** @param names of the columns of an array that is not structured; one: it has one dimension */
function rowsOf(bytes: Uint8Array, name: string, names: readonly string[]) {
  const { descr, shape, data } = parseNpy(bytes, name)
  const [count, across = 1] = shape
  const structured = descr.startsWith('[')
  const wanted = structured || names.length === 1 ? 1 : names.length
  if (shape.length !== (wanted === 1 ? 1 : 2) || across !== wanted)
    refuse(
      name,
      wanted === 1 ? 'be a list' : `have the shape [N, ${wanted}]`,
      `(${shape.join(', ')})`,
    )
  const fields = structured
    ? [...descr.matchAll(/\('(\w{1,40})',\s*'([^']{1,20})'\)/g)].map(([, ...field]) => field)
    : names.map((key) => [key, descr.slice(1, -1)])
  const columns = new Map<string, { readonly read: Read; readonly offset: number }>()
  let size = 0
  for (const [key, type] of fields) {
    const [, letters = ''] = /^[<|=]?([a-z]\d)$/.exec(type) ?? []
    if (!Object.hasOwn(readers, letters))
      refuse(name, 'hold little-endian numbers', `${quote(type)}; use astype`)
    columns.set(key, { read: readers[letters], offset: size })
    size += Number(letters[1])
  }
  const stride = size
  if (data.length !== count * stride)
    refuse(name, `hold ${count * stride} bytes, as its shape says`, `${data.length}`)
  const view = new DataView(data.buffer, data.byteOffset, data.length)
  const column = (key: string): ((row: number) => number) => {
    const { read, offset } =
      columns.get(key) ?? refuse(name, 'have the fields x, y, t and p', `none of the name ${key}`)
    return (row) => read(view, row * stride + offset)
  }
  return { count, column }
}
