/** Unpacks arrays of an .npz archive at once (Node). */

import { inflateRawSync } from 'node:zlib'
import { refuse } from '../../events/recording.js'
import { npzEntries } from './npz-entries.js'

/**
 * The content of `wanted` arrays by their keys; others are left packed.
 *
 * @throws SpikewasmError when the archive is damaged or unpacks to far more than its size
 */
export function unpackNpz(
  bytes: Uint8Array,
  name: string,
  wanted: readonly string[],
): Map<string, Uint8Array> {
  const entries = npzEntries(bytes, name, wanted)
  return new Map(
    entries.map(({ key, data, size, isPacked }) => [
      key,
      isPacked ? inflated(data, size, `${name}: ${key}`) : data,
    ]),
  )
}

function inflated(data: Uint8Array, size: number, name: string): Uint8Array {
  try {
    const { buffer, byteOffset, length } = inflateRawSync(data, { maxOutputLength: size + 1 })
    return new Uint8Array(buffer, byteOffset, length)
  } catch (error) {
    return refuse(name, 'hold valid deflated data', `an error: ${(error as Error).message}`)
  }
}
