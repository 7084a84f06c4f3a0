/** What a layer reads of an expression: tensors as they are, or written out with their way back. */

import { fail } from '../../base/errors.js'
import { labelOf } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import type { Windows } from '../../network/window.js'
import { type FloatBuffer, type Pass, term } from '../pass.js'
import * as tensors from '../tensors.js'
import { giveGradient, withGradient } from './gradients.js'
import { plainFloat } from './materialise.js'

/** An expression as floats in memory: the tensor that it is, or it is written out. */
export function floatsOf(pass: Pass, node: GraphNode, x: tensors.Expression): FloatBuffer {
  const plain = plainFloat(x)
  return plain && !plain.input ? (plain as FloatBuffer) : materialise(pass, node, x)
}

/** One layer's spikes as they are, and their factor; anything else as floats. */
export function spikesOrFloats(
  pass: Pass,
  node: GraphNode,
  x: tensors.Expression,
): { readonly input: tensors.SpikeTensor | FloatBuffer; readonly scale: number } {
  const [{ tensor, pool, scale }] = x.terms
  return x.terms.length === 1 && tensor.kind === 'spikes' && tensors.isIdentity(pool)
    ? { input: tensor, scale }
    : { input: floatsOf(pass, node, x), scale: 1 }
}

/** Writes an expression out, steps as its terms need, or so many at least. */
export function materialise(
  pass: Pass,
  node: GraphNode,
  input: tensors.Expression,
  least = 1,
): FloatBuffer {
  const stepsOf = ({ tensor }: tensors.Term): number =>
    tensor.kind === 'spikes' ? pass.callSteps : tensor.steps
  const steps = input.terms.reduce((most, of) => Math.max(most, stepsOf(of)), least)
  const output = pass.floatTensor(`${node.name} sum`, input.shape, steps)
  for (const { norm } of input.terms) norm?.averageUnread()
  const byImages = input.terms.every(({ tensor }) => tensor.kind === 'spikes' || !tensor.input)
  pass.make(output, { layers: 0, byImages }, () =>
    pass.write(input, steps, false, output.buffer, output.stored),
  )
  withGradient(pass, node, output, (delta, rows) => giveGradient(input, delta, rows))
  return output
}

/**
 * Who reads a sum reads all its terms. With more than these, equal ones become one term with their
 * factors added up, and if there are still more, the sum is written out. Fewer stay as they are, in
 * their order: so much do all networks have that people write.
 */
const MOST_TERMS = 64

/** The greatest number of float32. */
const GREATEST = (2 - 2 ** -23) * 2 ** 127

export function sum(
  pass: Pass,
  node: GraphNode,
  inputs: readonly tensors.Expression[],
): tensors.Expression {
  const { shape } = node
  const count = inputs.reduce((n, { terms }) => n + terms.length, 0)
  if (count <= MOST_TERMS) return { shape, terms: inputs.flatMap(({ terms }) => terms) }
  const terms = merged(inputs)
  if (!terms.every(({ scale }) => Math.abs(scale) <= GREATEST))
    fail(
      `${node.name || 'network'} (${labelOf(node)}): the network adds a value to itself so often ` +
        `that its factor is no float32; scale it down with scale(), or add it up fewer times`,
    )
  if (terms.length <= MOST_TERMS) return { shape, terms }
  return { shape, terms: [term(materialise(pass, node, { shape, terms }))] }
}

/** Terms of which no two are equal but for their factors. */
function merged(inputs: readonly tensors.Expression[]): tensors.Term[] {
  const times = new Map<tensors.Expression, number>()
  for (const input of inputs) times.set(input, (times.get(input) ?? 0) + 1)
  const found = new Map<unknown, tensors.Term[]>()
  for (const [{ terms }, factor] of times)
    for (const of of terms) {
      const key = tensors.gradientOf(of)
      const same = found.get(key) ?? []
      const i = same.findIndex(({ pool }) => tensors.samePool(pool, of.pool))
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
  x: tensors.Expression,
  windows: Windows,
  factor = 1 / (windows.kernelSize[0] * windows.kernelSize[1]),
): tensors.Expression {
  const pool = tensors.usedWindow(x.shape, windows)
  // Pooling of pooled or normalised values is written out first.
  const terms = x.terms.every((t) => tensors.isIdentity(t.pool) && !t.norm)
    ? x.terms
    : [term(materialise(pass, node, x))]
  return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
}
