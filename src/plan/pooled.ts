/** Means over windows: nothing runs for them, the layer that reads them takes the means. */

import type { GraphNode } from '../graph/trace.js'
import type { Pair } from '../nn/layers/index.js'
import { type Pass, term } from './pass.js'
import { type Expression, isIdentity, usedStrides } from './tensors.js'
import { materialise } from './write-out.js'

type Window = { readonly kernelSize: Pair; readonly stride: Pair; readonly padding: Pair }

export function pooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { kernelSize, stride, padding }: Window,
): Expression {
  const pool = { kernel: kernelSize, stride: usedStrides(x.shape, padding, stride), padding }
  const factor = 1 / (kernelSize[0] * kernelSize[1])
  // Pooling of pooled or normalised values is written out first.
  const terms = x.terms.every((t) => isIdentity(t.pool) && !t.norm)
    ? x.terms
    : [term(materialise(pass, node, x))]
  return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
}
