/** What a layer reads of an expression: tensors as they are, or written out with their way back. */

import type { GraphNode } from '../graph/trace.js'
import { giveGradient, gradientRows, takeGradient } from './gradients.js'
import { plainFloat } from './materialise.js'
import type { FloatBuffer, Pass } from './pass.js'
import { type Expression, isIdentity, type SpikeTensor, type Term } from './tensors.js'

/** An expression as floats in memory: the tensor that it is, or it is written out. */
export function floatsOf(pass: Pass, node: GraphNode, x: Expression): FloatBuffer {
  const plain = plainFloat(x)
  return plain && !plain.input ? (plain as FloatBuffer) : materialise(pass, node, x)
}

/** One layer's spikes as they are, and their factor; anything else as floats. */
export function spikesOrFloats(
  pass: Pass,
  node: GraphNode,
  x: Expression,
): { readonly input: SpikeTensor | FloatBuffer; readonly scale: number } {
  const [{ tensor, pool, scale }] = x.terms
  return x.terms.length === 1 && tensor.kind === 'spikes' && isIdentity(pool)
    ? { input: tensor, scale }
    : { input: floatsOf(pass, node, x), scale: 1 }
}

/** Writes an expression out, steps as its terms need. */
export function materialise(pass: Pass, node: GraphNode, input: Expression): FloatBuffer {
  const stepsOf = ({ tensor }: Term): number =>
    tensor.kind === 'spikes' ? pass.callSteps : tensor.steps
  const steps = input.terms.reduce((most, of) => Math.max(most, stepsOf(of)), 1)
  const output = pass.floatTensor(`${node.name} sum`, input.shape, steps)
  for (const { norm } of input.terms) norm?.averageUnread()
  const byImages = input.terms.every(({ tensor }) => tensor.kind === 'spikes' || !tensor.input)
  pass.make(output, { layers: 0, byImages }, () =>
    pass.write(input, steps, false, output.buffer, output.stored),
  )
  pass.backward(node, () => {
    if (output.gradient.length === 0) return
    const rows = gradientRows(pass, output)
    giveGradient(input, takeGradient(pass, output, rows), rows)
  })
  return output
}
