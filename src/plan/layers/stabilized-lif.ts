/** Neurons whose threshold follows the potentials of their layer: charge, threshold, fire. */

import { expect } from '../../errors.js'
import type { StabilizedLif } from '../../nn/layers/index.js'
import { countNeurons, recordMasks } from '../activity.js'
import { giveGradient, neuronGradient } from '../gradients.js'
import { storedChannels } from '../layout.js'
import { quoteMethodsWith } from '../methods.js'
import { dynamicsOf, type NeuronRecord } from '../neuron-record.js'
import { perUnit, term } from '../pass.js'
import { inputOf, readable } from '../readable.js'
import { neuronBackwardOnline } from '../records/gradient.js'
import { emitStabilized } from '../stabilized.js'
import type { SpikeTensor } from '../tensors.js'
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
    const stored = storedChannels(node.shape[0])
    const { read, floats, spikes } = readable(pass, node, x, stored)
    const pixels = pass.images * node.shape[1] * node.shape[2]
    const pixelsPerUnit = perUnit(pixels, stored)
    const units = Math.ceil(pixels / pixelsPerUnit)
    const values = pixels * stored * 4
    const countPartials = pass.carried(`${node.name} spike counts`, units * 4, 'statistics')
    const dynamics = dynamicsOf({ ...layer, detachReset: true })
    const sums = { buffer: countPartials, units }
    const output = pass.spikeTensor(node.name, node.shape, dynamics.lambda, sums)
    const surrogateOut = training ? b.buffer(`${node.name} surrogate`, values) : undefined
    const record: NeuronRecord = {
      ...dynamics,
      shape: node.shape,
      stored,
      pixelsPerUnit,
      a: inputOf(floats[0]),
      b: floats[1] && inputOf(floats[1]),
      spikes: spikes[0] && {
        masks: (spikes[0].tensor as SpikeTensor).masks,
        scale: spikes[0].scale,
      },
      masks: output.masks,
      counts: pass.countsSpikes ? output.counts : undefined,
      countPartials: options.fixed ? undefined : countPartials,
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
    const { masks, counts } = output
    const neurons = node.shape[0] * node.shape[1] * node.shape[2]
    pass.rates.push({
      name: node.name,
      partials: countPartials,
      units,
      neurons,
      counts,
      masks,
      shape: node.shape,
      stored,
      recorded: recordMasks(pass, output),
    })

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
