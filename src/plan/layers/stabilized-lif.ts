/** Neurons whose threshold follows the potentials of their layer: charge, threshold, fire. */

import { expect } from '../../errors.js'
import type { StabilizedLif } from '../../nn/layers/index.js'
import { countNeurons } from '../activity.js'
import { giveGradient, neuronGradient } from '../gradients.js'
import { quoteMethodsWith } from '../methods.js'
import { dynamicsOf, type NeuronRecord } from '../neuron-record.js'
import { term } from '../pass.js'
import { neuronBackwardOnline } from '../records/gradient.js'
import { spikingLayer } from '../spiking.js'
import { emitStabilized } from '../stabilized.js'
import type { LayerPlan } from './layer.js'

export const stabilizedLif: LayerPlan<StabilizedLif> = {
  lower(pass, node, layer, x) {
    const { b, context, options, training } = pass
    const { method, outer } = context
    expect(
      !training || method.stabilizes,
      () =>
        `${node.name} (stabilizedLif): its threshold follows the potentials of each step, which ` +
        `needs method ${quoteMethodsWith(({ stabilizes }) => stabilizes)}, got ` +
        `'${options.method}'; use lif() with this method`,
    )
    const dynamics = dynamicsOf({ ...layer, detachReset: true })
    const spiking = spikingLayer(pass, node, dynamics, x)
    const { read, output, units, values } = spiking
    const surrogateOut = training ? b.buffer(`${node.name} surrogate`, values) : undefined
    const record: NeuronRecord = {
      ...spiking.record(),
      surrogateOut,
      potential:
        outer || training ? pass.carried(`${node.name} potential`, values, 'kept') : undefined,
      ...countNeurons(pass, node, units),
    }
    emitStabilized(pass, record, {
      name: node.name,
      runningThreshold: context.statistic(node.index, 'running_threshold'),
      stability: training ? pass.carried(`${node.name} threshold`, 8, 'statistics') : undefined,
      share: layer.momentum / options.timeSteps,
    })
    spiking.tellRates()

    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const name = `${node.name} current gradient`
      const factor = surrogateOut as NonNullable<typeof surrogateOut>
      const rows = pass.gradientSteps
      giveGradient(
        read,
        neuronGradient(pass, neuronBackwardOnline, name, output, factor, rows),
        rows,
      )
    })
    return { shape: node.shape, terms: [term(output)] }
  },
}
