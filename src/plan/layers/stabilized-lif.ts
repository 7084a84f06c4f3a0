/** Neurons whose threshold follows the potentials of their layer: charge, threshold, fire. */

import { expect } from '../../errors.js'
import type { StabilizedLif } from '../../nn/layers/index.js'
import { stabilizedModel } from '../../nn/layers/stabilized-lif.js'
import { quoteMethodsWith } from '../methods.js'
import { lowerNeurons } from '../neurons.js'
import { emitStabilized } from '../stabilized.js'
import { ref } from '../words.js'
import type { LayerPlan } from './layer.js'

export const stabilizedLif: LayerPlan<StabilizedLif> = {
  lower(pass, node, layer, x) {
    const { context, options, training } = pass
    const { method } = context
    expect(
      !training || method.stabilizes,
      () =>
        `${node.name} (stabilizedLif): its threshold follows the potentials of each step, which ` +
        `needs method ${quoteMethodsWith(({ stabilizes }) => stabilizes)}, got ` +
        `'${options.method}'; use lif() with this method`,
    )
    const runningThreshold = context.statistic(node.index, 'running_threshold')
    const stability = training ? pass.carried(`${node.name} threshold`, 8, 'statistics') : undefined
    const places = new Map([['vThreshold', stability ? ref(stability, 4) : runningThreshold]])
    const share = layer.momentum / options.timeSteps
    return lowerNeurons(pass, node, stabilizedModel(layer), x, {
      places,
      emit(neurons, state) {
        if (stability && state)
          emitStabilized(pass, neurons, state, { layer, stability, runningThreshold, share })
      },
    })
  },
}
