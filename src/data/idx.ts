/**
 * The IDX format of MNIST, on bytes alone.
 *
 * ```
 * 0 0 type rank | rank sizes, u32 big-endian | elements, row-major
 * ```
 */
import { SpikewasmError } from '../errors.js'

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
  if (count !== bytes.length - header) {
    const why =
      count > bytes.length - header ? 'it is truncated' : 'there is something behind the data'
    fail(
      name,
      `must hold ${shape.join(' × ')} = ${count} bytes of data`,
      `${bytes.length - header}; ${why}, download it again`,
    )
  }
  if (count === 0) fail(name, 'must hold at least one element', `${shape.join(' × ')}`)
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
  if (bytes.length < 4)
    fail(
      name,
      'must start with 4 bytes 0 0 type rank',
      `a file of ${bytes.length} bytes; it is truncated`,
    )
  if (bytes[0] !== 0 || bytes[1] !== 0)
    fail(name, 'must start with two bytes 0', `${bytes[0]} ${bytes[1]}; is it an IDX file?`)
  if (bytes[2] !== UNSIGNED_BYTE)
    fail(name, 'type must be 8 (unsigned byte)', `${bytes[2]}; is it another data set?`)
  if (bytes[3] !== rank)
    fail(name, `must have ${rank} dimensions`, `${bytes[3]}; are images and labels mixed up?`)
  if (bytes.length < header)
    fail(
      name,
      `must have a header of ${header} bytes`,
      `a file of ${bytes.length} bytes; it is truncated`,
    )
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i))
  return { shape, header, count: shape.reduce((product, size) => product * size, 1) }
}

function fail(name: string, rule: string, got: string): never {
  throw new SpikewasmError(`${name}: ${rule}, got ${got}`)
}
