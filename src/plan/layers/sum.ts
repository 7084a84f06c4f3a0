/** Input, sums, and layers that only change how a value is read: nothing runs for them. */

import type { GraphNode } from '../../graph/trace.js'
import type { AdaptiveAvgPool2d, AvgPool2d, Pair, Scale } from '../../nn/layers/index.js'
import { giveGradient, gradientRows, takeGradient } from '../gradients.js'
import { type FloatBuffer, type Pass, term } from '../pass.js'
import { type Expression, isIdentity } from '../tensors.js'
import type { LayerPlan } from './layer.js'

/** Writes an expression out, steps as its terms need. */
export function materialise(pass: Pass, node: GraphNode, input: Expression): FloatBuffer {
  const { callSteps } = pass.context
  const steps = Math.max(
    ...input.terms.map((t) =>
      t.tensor.kind === 'spikes'
        ? callSteps
        : t.norm && t.norm.groups > 1
          ? callSteps
          : t.tensor.steps,
    ),
  )
  const output = pass.floatTensor(`${node.name} sum`, input.shape, steps)
  for (const { norm } of input.terms) norm?.averageUnread()
  pass.write(input, steps, false, output.buffer, output.stored)
  pass.backward(node, () => {
    if (output.gradient.length === 0) return
    const rows = gradientRows(pass, output)
    giveGradient(input, takeGradient(pass, output, rows), rows)
  })
  return output
}

export const input: LayerPlan<never> = {
  lower(pass, node) {
    const { context } = pass
    // Statistics of single steps need a current for each step, even where all are the same.
    const steps =
      pass.options.frames || (pass.training && context.method.statistics === 'step')
        ? context.callSteps
        : 1
    const { shape } = node
    return {
      shape,
      terms: [
        term({
          kind: 'float',
          name: 'input',
          shape,
          stored: shape[0],
          steps,
          input: true,
          gradient: [],
        }),
      ],
    }
  },
}

export const add: LayerPlan<never> = {
  lower: (_pass, node, _layer, ...inputs) => ({
    shape: node.shape,
    terms: inputs.flatMap((e) => e.terms),
  }),
}

export const same: LayerPlan<unknown> = {
  lower: (_pass, node, _layer, x) => ({ ...x, shape: node.shape }),
}

export const scale: LayerPlan<Scale> = {
  lower(pass, node, layer, x) {
    // A normalised term's factor cannot be folded into the affine map of whoever reads it: write it
    // out.
    const terms = x.terms.some((t) => t.norm) ? [term(materialise(pass, node, x))] : x.terms
    return { shape: node.shape, terms: terms.map((t) => ({ ...t, scale: t.scale * layer.factor })) }
  },
}

type Window = { readonly kernelSize: Pair; readonly stride: Pair; readonly padding: Pair }

function pooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { kernelSize, stride, padding }: Window,
): Expression {
  const pool = { kernel: kernelSize, stride, padding }
  const factor = 1 / (kernelSize[0] * kernelSize[1])
  // Pooling of pooled or normalised values is written out first.
  const terms = x.terms.every((t) => isIdentity(t.pool) && !t.norm)
    ? x.terms
    : [term(materialise(pass, node, x))]
  return { shape: node.shape, terms: terms.map((t) => ({ ...t, pool, scale: t.scale * factor })) }
}

export const avgPool2d: LayerPlan<AvgPool2d> = {
  lower: (pass, node, layer, x) => pooled(pass, node, x, layer),
}

export const adaptiveAvgPool2d: LayerPlan<AdaptiveAvgPool2d> = {
  lower(pass, node, { outputSize }, x) {
    const kernelSize: Pair = [x.shape[1] / outputSize[0], x.shape[2] / outputSize[1]]
    return pooled(pass, node, x, { kernelSize, stride: kernelSize, padding: [0, 0] })
  },
}
