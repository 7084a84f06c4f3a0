/** Sums of expressions, and windows over them: nothing runs for them while they are few. */

import { expect } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { labelOf } from '../nn/kind.js'
import type { Windows } from '../nn/window.js'
import { type Pass, term } from './pass.js'
import {
  type Expression,
  gradientOf,
  isIdentity,
  samePool,
  type Term,
  usedStrides,
} from './tensors.js'
import { materialise } from './write-out.js'

/**
 * Who reads a sum reads all its terms. With more than these, equal ones become one term with their
 * factors added up, and if there are still more, the sum is written out. Fewer stay as they are, in
 * their order: so much do all networks have that people write.
 */
const MOST_TERMS = 64

/** The greatest number of float32. */
const GREATEST = (2 - 2 ** -23) * 2 ** 127

export function sum(pass: Pass, node: GraphNode, inputs: readonly Expression[]): Expression {
  const { shape } = node
  const count = inputs.reduce((n, { terms }) => n + terms.length, 0)
  if (count <= MOST_TERMS) return { shape, terms: inputs.flatMap(({ terms }) => terms) }
  const terms = merged(inputs)
  expect(
    terms.every(({ scale }) => Math.abs(scale) <= GREATEST),
    () =>
      `${node.name || 'network'} (${labelOf(node)}): the network adds a value to itself so often ` +
      `that its factor is no float32; scale it down with scale(), or add it up fewer times`,
  )
  if (terms.length <= MOST_TERMS) return { shape, terms }
  return { shape, terms: [term(materialise(pass, node, { shape, terms }))] }
}

/** Terms of which no two are equal but for their factors. */
function merged(inputs: readonly Expression[]): Term[] {
  const times = new Map<Expression, number>()
  for (const input of inputs) times.set(input, (times.get(input) ?? 0) + 1)
  const found = new Map<unknown, Term[]>()
  for (const [{ terms }, factor] of times)
    for (const of of terms) {
      const key = gradientOf(of)
      const same = found.get(key) ?? []
      const i = same.findIndex(({ pool }) => samePool(pool, of.pool))
      const scale = of.scale * factor
      if (i < 0) same.push({ ...of, scale })
      else same[i] = { ...of, scale: same[i].scale + scale }
      found.set(key, same)
    }
  return [...found.values()].flat()
}

/** Windows over a value, which the layer that reads it takes: means, or sums by a factor of 1. */
export function pooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { kernelSize, stride, padding }: Windows,
  factor = 1 / (kernelSize[0] * kernelSize[1]),
): Expression {
  const pool = { kernel: kernelSize, stride: usedStrides(x.shape, padding, stride), padding }
  // Pooling of pooled or normalised values is written out first.
  const terms = x.terms.every((t) => isIdentity(t.pool) && !t.norm)
    ? x.terms
    : [term(materialise(pass, node, x))]
  return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
}
