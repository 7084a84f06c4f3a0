/** max(0, x) of a current. Where gradients are time means, its derivative is one too. */

import { layerOf, noMore, type OfKind, sameShape } from '../nn/kind.js'
import { countValues } from '../plan/activity.js'
import { inUnits } from '../plan/budgets.js'
import { handBack } from '../plan/gradients.js'
import { defineLayer } from '../plan/layer-plan.js'
import { term } from '../plan/pass.js'
import { reluBackward, reluForward } from '../plan/records/relu.js'
import { floatsOf } from '../plan/write-out.js'

/** What `relu` makes. */
export interface Relu extends OfKind<'relu'> {}

/**
 * max(0, x), any shape, at each time step: an activation for the analog part of a mixed network,
 * for example its stem. In rate mode its derivative is the mean over the steps of 1[x > 0].
 */
export function relu(...more: []): Relu {
  return layerOf(reluKind, {}, more)
}

const reluKind = defineLayer<Relu>('relu', {
  ...sameShape,
  again: (rest) => relu(...noMore('relu', rest)),
  lower(pass, node, _layer, x) {
    const { b, context, images } = pass
    const input = floatsOf(pass, node, x)
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
    pass.make(output, { layers: 0, byImages: false }, (again) => {
      const places = { in: input.buffer, out: output.buffer, counts: again ? undefined : counts }
      b.emit(reluForward, units, { ...shared, ...places, steps })
    })
    countValues(pass, node, 'output', node.shape, output)
    handBack(pass, node, output, input, true, (delta, out, steps) => {
      const places = { delta, activity: counts ? undefined : output.buffer, counts, out }
      const factor = 1 / pass.rowsOfAllCalls(input)
      b.emit(reluBackward, units, { ...shared, ...places, steps, factor })
    })
    return { shape: node.shape, terms: [term(output)] }
  },
})
