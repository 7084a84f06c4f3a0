/** What forward functions of blocks do with values by layers that are no children. */

import * as joins from '../network/joins.js'
import { registerJoins } from '../network/trace.js'
import { axisOf, isValue, sizesOf, type Value } from '../network/value.js'
import { matmul, mul, softmax } from './layers/attention.js'
import { useJoins } from './layers/joins.js'
import { permute, reshape, slice } from './layers/rearrange.js'

/** What forward functions do by layers. */
const layerOps: joins.LayerOps = (layerOn) => {
  const permuted = (x: Value, dims: readonly number[]): Value => layerOn(permute(dims), x)
  return {
    mul: (a, b) => layerOn(mul(), a, b),
    matmul: (a, b, options) => layerOn(matmul(options), a, b),
    softmax: (x, dim) => layerOn(softmax(dim), x),
    slice: (x, from, to, dim) => layerOn(slice(from, to, dim), x),
    reshape: (x, shape) => layerOn(reshape(shape), x),
    permute: permuted,
    transpose: (x, dim0 = -2, dim1 = -1) => permuted(x, swapped(x, dim0, dim1)),
  }
}

/** All dims of a value, two in each other's place. */
function swapped(x: Value, ...two: readonly [number, number]): number[] {
  if (!isValue(x)) return []
  for (const dim of two) axisOf('transpose', x, dim)
  const dims = sizesOf(x).map((_, i) => i + 1)
  const [first, second] = two.map((dim) => (dim < 0 ? dims.at(dim) : dim))
  return dims.map((dim) => (dim === first ? second : dim === second ? first : dim)) as number[]
}

/** Lets forward functions do all that they may. */
export function useValues(): void {
  useJoins()
  registerJoins(joins, layerOps)
}
