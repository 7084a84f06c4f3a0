/** Means and sums over windows: nothing runs for them, the layer that reads them takes them. */

import type { GraphNode } from '../graph/trace.js'
import type { Windows } from '../nn/window.js'
import { type Pass, term } from './pass.js'
import { type Expression, isIdentity, usedStrides } from './tensors.js'
import { materialise } from './write-out.js'

export function pooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { kernelSize, stride, padding }: Windows,
  /** What the sums of windows are multiplied by; absent: means. */
  factor = 1 / (kernelSize[0] * kernelSize[1]),
): Expression {
  const pool = { kernel: kernelSize, stride: usedStrides(x.shape, padding, stride), padding }
  // Pooling of pooled or normalised values is written out first.
  const terms = x.terms.every((t) => isIdentity(t.pool) && !t.norm)
    ? x.terms
    : [term(materialise(pass, node, x))]
  return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
}
