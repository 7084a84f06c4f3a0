/** What forward functions of blocks do with values by layers that are no children. */

import * as joins from '../network/joins.js'
import { registerJoins } from '../network/trace.js'
import { axisOf, isValue, sizeOf, sizesOf, type Value } from '../network/value.js'
import { matmul, mul, softmax } from './layers/attention.js'
import { elementwise } from './layers/elementwise.js'
import { useJoins } from './layers/joins.js'
import { expand, permute, reshape, slice } from './layers/rearrange.js'

/** What forward functions do by layers. */
const layerOps: joins.LayerOps = (layerOn, { add }) => {
  const permuted = (x: Value, dims: readonly number[]): Value => layerOn(permute(dims), x)
  const expanded = (x: Value, shape: readonly number[]): Value => layerOn(expand(shape), x)
  return {
    add: (...values) => add(...alike(values, expanded)),
    mul: (a, b) => layerOn(mul(), a, b),
    matmul: (a, b, options) => layerOn(matmul(options), a, b),
    softmax: (x, dim) => layerOn(softmax(dim), x),
    slice: (x, from, to, dim) => layerOn(slice(from, to, dim), x),
    expand: expanded,
    elementwise: (text, x, parameters) => layerOn(elementwise(text, parameters), x),
    reshape: (x, shape) => layerOn(reshape(shape), x),
    permute: permuted,
    transpose: (x, dim0 = -2, dim1 = -1) => permuted(x, swapped(x, dim0, dim1)),
  }
}

/** Values of the sizes that all of them have together, where single numbers stand for many. */
function alike(values: Value[], expanded: (x: Value, shape: readonly number[]) => Value): Value[] {
  if (!values.every(isValue)) return values
  const all = values.map(sizesOf)
  const [first = all[0], ...others] = all.filter((sizes) => sizeOf(sizes) > 1)
  const sizes = first?.map((n, i) => Math.max(n, ...others.map((of) => of[i])))
  const isWhole = (of: readonly number[]): boolean => of.join() === sizes.join()
  const fits = (of: readonly number[]): boolean =>
    sizeOf(of) === 1 ||
    (of.length === sizes.length && of.every((n, i) => n === 1 || n === sizes[i]))
  return all.every(fits) ? values.map((x, i) => (isWhole(all[i]) ? x : expanded(x, sizes))) : values
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
