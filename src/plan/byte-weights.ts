/** Weights that are bytes in memory: where they lie, and how they are filled. */

import type { ByteWeight, Parameter } from './context.js'
import { pack, storedChannels } from './layout.js'
import type { ProgramBuilder } from './program.js'
import type { Quantised } from './quantise.js'

/** Makes the buffers of weights among parameters that are no floats in memory. */
export function byteWeights(
  b: ProgramBuilder,
  parameters: readonly Omit<Parameter, 'offset'>[],
): ByteWeight[] {
  const weights = parameters.filter(({ role }) => role === 'weight')
  return weights.map(({ name, layout, node }) => ({
    name,
    layout,
    node,
    weight: b.buffer(`${name} bytes`, layout.stored, 'parameters'),
    scale: b.buffer(`${name} scale`, storedChannels(layout.shape[0]) * 4, 'parameters'),
    gain: parameters.find((p) => p.node === node && p.role === 'gain')?.name,
  }))
}

/** Writes a quantised weight into a memory that is zero there. */
export function putByteWeight(
  memory: ArrayBufferLike,
  { layout, weight, scale }: ByteWeight,
  { values, scales }: Quantised,
): void {
  pack(layout, values, new Int8Array(memory, weight.address, layout.stored))
  new Float32Array(memory, scale.address, scales.length).set(scales)
}
