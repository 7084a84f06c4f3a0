/**
 * NumPy's .npy format, on bytes alone.
 *
 * ```
 * \x93NUMPY | major minor | header length, u16 (1) or u32 (2, 3) LE | header | data
 *             {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 * ```
 *
 * Source: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */

import { quote } from '../../errors.js'
import { refuse, type SampleArray } from './sample.js'

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]
/** Far more than a header with a shape has. */
const LONGEST_HEADER = 10_000
const MOST_SIZES = 32

/** Bytes of an element, by NumPy's name of its type. */
const types: Readonly<Record<string, number>> = { '<f4': 4, '<f8': 8, '|u1': 1, '|b1': 1 }

/** The header, a Python literal of which we read what NumPy writes. */
const PATTERN = new RegExp(
  [
    /^\{\s*'descr'\s*:\s*'([^'\\]*)'\s*,/,
    /\s*'fortran_order'\s*:\s*(True|False)\s*,/,
    /\s*'shape'\s*:\s*\(([\d\s,]*)\)\s*,?\s*\}\s*$/,
  ]
    .map(({ source }) => source)
    .join(''),
)

/**
 * @param name what error messages call the file
 * @throws SpikewasmError for what is no .npy file of float32, float64 or bytes in C order
 */
export function parseNpy(bytes: Uint8Array, name: string): SampleArray {
  const { header, dataStart } = headerOf(bytes, name)
  const found = PATTERN.exec(header)
  if (!found)
    return refuse(name, 'have a header with descr, fortran_order and shape', quote(header.trim()))
  const [, descr, fortran, sizes] = found
  if (!Object.hasOwn(types, descr))
    refuse(name, "be of float32, float64 or uint8; save x.astype('float32')", quote(descr))
  if (fortran === 'True')
    refuse(name, 'be in C order; save numpy.ascontiguousarray(x)', 'one in Fortran order')
  const shape = sizes
    .split(',')
    .filter((size) => size.trim() !== '')
    .map(Number)
  if (shape.length > MOST_SIZES || !shape.every(Number.isSafeInteger))
    refuse(name, `have a shape of at most ${MOST_SIZES} sizes`, quote(sizes))
  const count = shape.reduce((product, size) => product * size, 1)
  const data = bytes.subarray(dataStart)
  if (count * types[descr] !== data.length)
    refuse(name, `hold ${count * types[descr]} bytes of data, as its shape says`, `${data.length}`)
  return { shape, data: numbersOf(data, descr) }
}

function headerOf(bytes: Uint8Array, name: string): { header: string; dataStart: number } {
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte))
    refuse(name, 'begin with \\x93NUMPY', 'other bytes; is it a .npy file?')
  const [major] = bytes.subarray(6)
  if (major < 1 || major > 3) refuse(name, 'be of version 1, 2 or 3', String(major))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const begin = major === 1 ? 10 : 12
  const length = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const dataStart = begin + length
  if (length > LONGEST_HEADER || dataStart > bytes.length)
    refuse(name, 'have its header within the file', `one of ${length} bytes; is it truncated?`)
  return { header: new TextDecoder().decode(bytes.subarray(begin, dataStart)), dataStart }
}

function numbersOf(data: Uint8Array, descr: string): Float32Array | Uint8Array {
  // A copy is aligned for any element.
  const { buffer } = new Uint8Array(data)
  if (descr === '<f4') return new Float32Array(buffer)
  if (descr === '<f8') return new Float32Array(new Float64Array(buffer))
  return new Uint8Array(buffer)
}
