/** Arrays of numbers as JSON: `[[0, 1], [2, 3]]`. */

import { describe, fail } from '../../errors.js'
import { parseJsonBytes } from '../json.js'
import type { SampleArray } from './sample.js'

/** Numbers; each takes several bytes as text. */
const MOST_NUMBERS = 4_000_000

/** @throws SpikewasmError for what is no array of numbers, as long in each place */
export function parseJsonArray(bytes: Uint8Array, name: string): SampleArray {
  const limits = { length: 64_000_000, depth: 8, values: MOST_NUMBERS }
  const value = parseJsonBytes(bytes, name, 'it', limits)
  const shape: number[] = []
  for (let inner: unknown = value; Array.isArray(inner); inner = inner[0]) shape.push(inner.length)
  const count = shape.reduce((product, size) => product * size, 1)
  if (shape.length === 0 || count > MOST_NUMBERS)
    fail(`${name}: must be an array of numbers, got ${describe(value)}`)
  const data = new Float32Array(count)
  let at = 0
  const fill = (item: unknown, depth: number): void => {
    if (depth < shape.length) {
      if (!Array.isArray(item) || item.length !== shape[depth])
        fail(
          `${name}: must be an array of [${shape.join(', ')}] throughout, got ` +
            `${Array.isArray(item) ? `a list of ${item.length}` : describe(item)} in it`,
        )
      for (const inner of item) fill(inner, depth + 1)
      return
    }
    if (typeof item !== 'number')
      fail(`${name}: must be an array of numbers, got ${describe(item)} in it`)
    data[at++] = item
  }
  fill(value, 0)
  return { shape, data }
}
