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

import { quote } from '../errors.js'
import { refuse } from './recording.js'

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
