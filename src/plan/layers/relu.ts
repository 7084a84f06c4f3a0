/** max(0, x) of a current. Where gradients are time means, its derivative is one too. */

import type { Relu } from '../../nn/layers/index.js'
import { countValues } from '../activity.js'
import { inUnits } from '../budgets.js'
import { giveTensorGradient, gradientRows, overGradient, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { term } from '../pass.js'
import { reluBackward, reluForward } from '../records/relu.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

/** max(0, x) of floats [P][T][C]; unit = chunk of pixels. */
export const relu: LayerPlan<Relu> = {
  lower(pass, node, _layer, x) {
    const { b, context, images } = pass
    const plain = plainFloat(x)
    const input = plain && !plain.input ? plain : materialise(pass, node, x)
    const { steps, stored } = input
    const output = pass.floatTensor(node.name, node.shape, steps)
    const pixels = images * node.shape[1] * node.shape[2]
    const { units, pixelsPerUnit } = inUnits(pixels, stored * steps)
    const shared = { pixels, channels: stored, pixelsPerUnit }
    // A byte for each neuron, whatever T is.
    const counts =
      pass.training && context.method.presynaptic === 'mean'
        ? pass.carried(`${node.name} counts`, pixels * stored, 'kept')
        : undefined
    pass.make(output, { layers: 0, byImages: false }, (again) =>
      b.emit(reluForward, units, {
        ...shared,
        in: input.buffer as Buffer,
        out: output.buffer,
        counts: again ? undefined : counts,
        steps,
      }),
    )

    countValues(pass, node, 'output', node.shape, output)

    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const rows = gradientRows(pass, output)
      const delta = takeGradient(pass, output, rows)
      const name = `${node.name} input gradient`
      const out = overGradient(pass, delta, { name, shape: node.shape, steps: rows, stored })
      b.emit(reluBackward, units, {
        ...shared,
        delta,
        activity: counts ? undefined : output.buffer,
        counts,
        out,
        steps: rows,
        factor: 1 / pass.rowsOfAllCalls(input),
      })
      giveTensorGradient(input, out, rows)
    })
    return { shape: node.shape, terms: [term(output)] }
  },
}
