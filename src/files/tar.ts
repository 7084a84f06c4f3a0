/** Regular files of a tar archive, on bytes alone. */

import { parseTar } from 'nanotar'
import { fail } from '../base/errors.js'
import { roundUp } from '../base/numbers.js'

const BLOCK = 512

/**
 * The regular files of an uncompressed tar archive, by name. The arrays are views of `bytes` or of
 * a copy.
 *
 * @param name what error messages call the archive
 * @throws SpikewasmError that names the archive if a header is damaged or a member does not fit
 */
export function readTar(bytes: Uint8Array, name: string): Map<string, Uint8Array> {
  checkHeaders(bytes, name)
  // nanotar reads the whole ArrayBuffer, whatever part of it the array covers.
  const whole =
    bytes.byteOffset === 0 && bytes.byteLength === bytes.buffer.byteLength
      ? bytes
      : new Uint8Array(bytes)
  const files = new Map<string, Uint8Array>()
  for (const { name: path, type, data } of parseTar(whole))
    if (type === 'file') files.set(path, data ?? new Uint8Array(0))
  return files
}

/** Checks each header. nanotar does not: it accepts any size, even a negative one, and any sum. */
function checkHeaders(bytes: Uint8Array, name: string): void {
  let offset = 0
  while (offset + BLOCK <= bytes.length && bytes[offset] !== 0) {
    const size = readOctal(bytes, offset + 124, 12)
    if (readOctal(bytes, offset + 148, 8) !== headerSum(bytes, offset)) {
      fail(
        `${name}: must be a tar archive, got a wrong header sum at byte ${offset}; ` +
          'download it again',
      )
    }
    if (Number.isNaN(size) || offset + BLOCK + size > bytes.length) {
      fail(
        `${name}: a member must fit in the archive of ${bytes.length} bytes, got ${size} ` +
          `bytes at byte ${offset}; download it again`,
      )
    }
    offset += BLOCK + roundUp(size, BLOCK)
  }
  if (offset === 0)
    fail(
      `${name}: must be a tar archive with at least one member, got ${bytes.length} ` +
        'bytes without a header',
    )
}

/** Octal digits between spaces and a NUL; NaN if there is anything else, such as a sign. */
function readOctal(bytes: Uint8Array, offset: number, length: number): number {
  const text = String.fromCharCode(...bytes.subarray(offset, offset + length))
    .replace(/\0.*$/s, '')
    .trim()
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : Number.NaN
}

/** Sum of the bytes of a header, with the sum's own field read as spaces. */
function headerSum(bytes: Uint8Array, offset: number): number {
  let sum = 0
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : bytes[offset + i]
  return sum
}
