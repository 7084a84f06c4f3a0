/**
 * The IDX format of MNIST, on bytes alone.
 *
 * ```
 * 0 0 type rank | rank sizes, u32 big-endian | elements, row-major
 * ```
 */
import { fail } from '../errors.js'

const UNSIGNED_BYTE = 0x08

/**
 * Reads an IDX array of unsigned bytes.
 *
 * @param rank number of dimensions: 3 for images [N, H, W], 1 for labels
 * @param name what error messages call the file, usually its path
 * @returns the sizes, and a view of the bytes that were read
 * @throws SpikewasmError that names the file and what is wrong in it
 */
export function parseIdx(bytes: Uint8Array, rank: number, name: string) {
  const { shape, header, count } = parseHeader(bytes, rank, name)
  const [sizes, found] = [shape.join(' × '), bytes.length - header]
  const why = count > found ? 'it is truncated' : 'there is something behind the data'
  if (count !== found)
    fail(
      `${name}: must hold ${sizes} = ${count} bytes of data, got ${found}; ${why}, download it ` +
        'again',
    )
  if (count === 0) fail(`${name}: must hold at least one element, got ${sizes}`)
  return { shape, data: bytes.subarray(header) }
}

/**
 * How many bytes a file has, by its header.
 * @throws SpikewasmError when it is no header
 */
export function idxBytes(head: Uint8Array, rank: number, name: string): number {
  const { header, count } = parseHeader(head, rank, name)
  return header + count
}

/** The sizes, the bytes of the header, and of the elements behind it. */
function parseHeader(bytes: Uint8Array, rank: number, name: string) {
  const header = 4 + 4 * rank
  const [first, second, type, dimensions] = bytes
  const cut = `got a file of ${bytes.length} bytes; it is truncated`
  if (bytes.length < 4) fail(`${name}: must start with 4 bytes 0 0 type rank, ${cut}`)
  if (first !== 0 || second !== 0)
    fail(`${name}: must start with two bytes 0, got ${first} ${second}; is it an IDX file?`)
  if (type !== UNSIGNED_BYTE)
    fail(`${name}: type must be 8 (unsigned byte), got ${type}; is it another data set?`)
  if (dimensions !== rank)
    fail(
      `${name}: must have ${rank} dimensions, got ${dimensions}; are images and labels mixed up?`,
    )
  if (bytes.length < header) fail(`${name}: must have a header of ${header} bytes, ${cut}`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  return { shape, header, count: shape.reduce((product, size) => product * size, 1) }
}
