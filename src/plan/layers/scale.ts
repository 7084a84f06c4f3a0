/**
 * Multiplication by constants: one is a factor of the terms, applied by the layer that reads them.
 */

import type { GraphNode } from '../../graph/trace.js'
import type { Scale } from '../../nn/layers/index.js'
import { giveTensorGradient, gradientRows, overGradient, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { type Pass, term } from '../pass.js'
import { emitScaled, factorsOf } from '../scaled.js'
import type { Expression } from '../tensors.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

export const scale: LayerPlan<Scale> = {
  lower(pass, node, { factor }, x) {
    if (typeof factor !== 'number') return byFactors(pass, node, factor, x)
    // A normalised term's factor cannot be folded into the affine map of whoever reads it: write it
    // out.
    const terms = x.terms.some((t) => t.norm) ? [term(materialise(pass, node, x))] : x.terms
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, scale: t.scale * factor })) }
  },
}

function byFactors(
  pass: Pass,
  node: GraphNode,
  list: readonly number[],
  x: Expression,
): Expression {
  const { b, images } = pass
  const plain = plainFloat(x)
  const input = plain && !plain.input ? plain : materialise(pass, node, x)
  const { stored, shape } = input
  const output = pass.floatTensor(node.name, node.shape, input.steps)
  const job = { images, shape, stored, ...factorsOf(list, shape, stored) }
  pass.make(output, { layers: 0, byImages: true }, () => {
    const places = { in: input.buffer as Buffer, out: output.buffer }
    emitScaled(b, { ...job, images: pass.images, steps: input.steps, ...places })
  })
  pass.backward(node, () => {
    if (output.gradient.length === 0) return
    const steps = gradientRows(pass, output)
    const delta = takeGradient(pass, output, steps)
    const name = `${node.name} input gradient`
    const out = overGradient(pass, delta, { name, shape, steps, stored })
    emitScaled(b, { ...job, steps, in: delta, out })
    giveTensorGradient(input, out, steps)
  })
  return { shape: node.shape, terms: [term(output)] }
}
