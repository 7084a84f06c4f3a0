/**
 * The binary distribution of CIFAR-10 and CIFAR-100, on bytes alone. A file is a sequence of
 * records:
 *
 * ```
 * CIFAR-10:  label                   | 1024 red | 1024 green | 1024 blue     each plane [32][32]
 * CIFAR-100: coarse label, fine label| 1024 red | 1024 green | 1024 blue
 * ```
 */
import { fail } from '../errors.js'
import { checkLabels } from './dataset.js'

const PIXELS = 32 * 32
const CHANNELS = 3

export interface CifarRecords {
  /** [N][3][32][32] */
  readonly images: Uint8Array
  /** N labels; the fine ones for CIFAR-100. */
  readonly labels: Uint8Array
}

/**
 * Reads one file of records.
 *
 * @param labelBytes 1 for CIFAR-10; 2 for CIFAR-100, of which the second counts
 * @param name what error messages call the file
 * @throws SpikewasmError that names the file if its size or a label is wrong
 */
export function parseCifar(
  bytes: Uint8Array,
  labelBytes: 1 | 2,
  classes: number,
  name: string,
): CifarRecords {
  const recordBytes = labelBytes + CHANNELS * PIXELS
  if (bytes.length === 0 || bytes.length % recordBytes !== 0) {
    const got = `${bytes.length} bytes`
    fail(
      `${name}: size must be a multiple of ${recordBytes} bytes and not 0, got ${got}; ` +
        'is it truncated, or another distribution?',
    )
  }
  const count = bytes.length / recordBytes
  const images = new Uint8Array(count * CHANNELS * PIXELS)
  const labels = new Uint8Array(count)
  for (let n = 0; n < count; n++) {
    const planes = n * recordBytes + labelBytes
    labels[n] = bytes[planes - 1]
    images.set(bytes.subarray(planes, (n + 1) * recordBytes), n * CHANNELS * PIXELS)
  }
  checkLabels(name, labels, classes)
  return { images, labels }
}

/**
 * Class names, one a line; empty lines at the end do not count.
 *
 * @param name what error messages call the file
 * @throws SpikewasmError if there are not exactly `classes` names
 */
export function parseClassNames(bytes: Uint8Array, classes: number, name: string): string[] {
  const names = new TextDecoder()
    .decode(bytes)
    .trim()
    .split(/\s*\n\s*/)
  if (names.length !== classes)
    fail(
      `${name}: must have ${classes} lines, got ${names.length}; delete the file to do ` +
        'without names',
    )
  return names
}
