/** Expressions that a layer cannot read as they are, written out with their way back. */

import type { GraphNode } from '../graph/trace.js'
import { giveGradient, gradientRows, takeGradient } from './gradients.js'
import type { FloatBuffer, Pass } from './pass.js'
import type { Expression, Term } from './tensors.js'

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
