/** What the writer of NIR files passes around. */

import type { GraphNode } from '../../graph/trace.js'
import { sizeOf } from '../../nn/value.js'
import type { StateDict } from '../../runtime/state.js'
import type { NirTime } from './note.js'
import { numbers, type Tree } from './tree.js'

/** A node of the file, until it is written; a normalisation changes the weight before it. */
export interface Draft {
  type: string
  readonly fields: Record<string, Tree>
}

/** One layer and what is known about it. */
export interface Place {
  readonly node: GraphNode
  readonly state: StateDict
  readonly time: NirTime
  /** Sizes of its input and output as NIR has them: [F], [C, L] or [C, H, W]. */
  readonly inShape: readonly number[]
  readonly shape: readonly number[]
}

export const integers = (...values: number[]): Tree =>
  numbers(BigInt64Array.from(values, BigInt), [values.length])
export const integer = (value: number): Tree => numbers(BigInt64Array.of(BigInt(value)), [])

/** One number for each neuron, of one for all or one for each channel. */
export function spread(
  { shape }: Pick<Place, 'shape'>,
  values: number | readonly number[],
): Float64Array {
  const count = sizeOf(shape)
  if (typeof values === 'number') return new Float64Array(count).fill(values)
  const each = count / values.length
  return Float64Array.from({ length: count }, (_, i) => values[Math.floor(i / each)])
}
