/** Spiking neurons: up to two currents and one layer's spikes in, spikes out. */

import { expect } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import type { Neuron } from '../../nn/layers/index.js'
import { countNeurons, recordMasks } from '../activity.js'
import {
  giveGradient,
  gradientTimeSum,
  neuronGradient,
  neuronTimeGradient,
  sumGradient,
} from '../gradients.js'
import { storedChannels } from '../layout.js'
import { lowerLearntTau } from '../learnt-tau.js'
import { type MethodTraits, quoteMethodsWith } from '../methods.js'
import {
  dynamicsOf,
  emitNeuron,
  emitNeuronBackwardTime,
  hasCommonTrace,
  type NeuronRecord,
} from '../neuron-record.js'
import { type Pass, perUnit, term } from '../pass.js'
import { givePenalties } from '../penalties.js'
import { inputOf, readable } from '../readable.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../records/gradient.js'
import { sumScalars } from '../records/sums.js'
import type { Expression, SpikeTensor } from '../tensors.js'
import { type Buffer, type Reference, ref } from '../words.js'
import type { LayerPlan } from './layer.js'

export const neuron: LayerPlan<Neuron> = {
  lower(pass, node, layer, x) {
    const { b, context, options, training } = pass
    const { method, outer } = context
    expect(
      !layer.learnable || !training || method.learnsTau,
      () =>
        `${node.name} (plif): its learnable tau needs method ` +
        `${quoteMethodsWith(({ learnsTau }) => learnsTau)}, got '${options.method}'; use lif() ` +
        `with this method`,
    )
    // Its derivative runs forward beside the potential, which the kernels of cells do.
    if (layer.learnable && training && method.neuron === 'eligibility')
      return lowerLearntTau(pass, node, layer, x)
    const stored = storedChannels(node.shape[0])
    const { read, floats, spikes } = readable(pass, node, x, stored)
    const pixels = pass.images * node.shape[1] * node.shape[2]
    const pixelsPerUnit = perUnit(pixels, stored)
    const units = Math.ceil(pixels / pixelsPerUnit)
    const values = pixels * stored * 4
    const countPartials = pass.carried(`${node.name} spike counts`, units * 4, 'statistics')
    const dynamics = dynamicsOf(layer)
    const sums = { buffer: countPartials, units }
    const output = pass.spikeTensor(node.name, node.shape, dynamics.lambda, sums)
    const eligibility =
      training && (method.neuron === 'eligibility' || (method.neuron === 'time' && options.inspect))
        ? pass.carried(`${node.name} eligibility`, values, 'kept', options.inspect)
        : undefined
    const surrogateOut =
      training && method.neuron === 'surrogate'
        ? b.buffer(`${node.name} surrogate`, values * pass.callSteps)
        : undefined
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
      // A file that was exported tells no rates.
      counts: pass.countsSpikes ? output.counts : undefined,
      countPartials: options.fixed ? undefined : countPartials,
      eligibility,
      surrogateOut,
      potential: outer ? pass.carried(`${node.name} potential`, values, 'kept') : undefined,
      rho:
        outer && training && method.neuron === 'eligibility' && !hasCommonTrace(dynamics)
          ? pass.carried(`${node.name} rho`, values, 'kept')
          : undefined,
      learnable: layer.learnable ? context.parameter(node.index, 'w') : 0,
      ...countNeurons(pass, node, units),
    }
    emitNeuron(pass, record)
    const { masks, counts } = output
    const neurons = node.shape[0] * node.shape[1] * node.shape[2]
    pass.rates.push({
      name: node.name,
      partials: countPartials,
      units,
      neurons,
      counts,
      masks,
      eligibility,
      shape: node.shape,
      stored,
      recorded: recordMasks(pass, output),
    })

    pass.backward(node, () => {
      givePenalties(pass, node, output)
      if (output.gradient.length === 0) return
      backward[method.neuron]({ pass, node, layer, read, output, record, units })
    })
    return { shape: node.shape, terms: [term(output)] }
  },
}

/** What the backward part of a layer of neurons is made from. */
interface BackwardJob {
  readonly pass: Pass
  readonly node: GraphNode
  readonly layer: Neuron
  readonly read: Expression
  readonly output: SpikeTensor
  readonly record: NeuronRecord
  readonly units: number
}

const gradientName = ({ name }: GraphNode): string => `${name} current gradient`

/** How a gradient passes neurons, by what the method asks for. */
const backward: Readonly<Record<MethodTraits['neuron'], (job: BackwardJob) => void>> = {
  eligibility({ pass, node, read, output, record }) {
    const factor = record.eligibility as Buffer
    const name = gradientName(node)
    giveGradient(read, neuronGradient(pass, neuronBackwardRate, name, output, factor), 1)
  },
  surrogate({ pass, node, read, output, record }) {
    const factor = record.surrogateOut as Buffer
    const name = gradientName(node)
    const steps = pass.gradientSteps
    const delta = neuronGradient(pass, neuronBackwardOnline, name, output, factor, steps)
    giveGradient(read, delta, steps)
  },
  time({ pass, node, layer, read, output, record, units }) {
    const { b, context, options } = pass
    const steps = pass.gradientSteps
    const { eligibility } = record
    // Before the neurons write over it.
    const spikes =
      options.inspect && eligibility
        ? sumGradient(pass, `${node.name} spike gradient`, output, steps)
        : undefined
    const { contributions, out: delta } = neuronTimeGradient(
      pass,
      gradientName(node),
      output,
      steps,
    )
    const partials = layer.learnable ? b.buffer(`${node.name} tau gradient`, units * 4) : undefined
    const perUnit = record.pixelsPerUnit
    // Only the sums of units hinder parts of units.
    const perImage = partials ? output.shape[1] * output.shape[2] : perUnit
    pass.byImages([record.a.tensor, record.b?.tensor], { perImage, perUnit }, (firstUnit) => {
      const sums = partials && ref(partials, firstUnit * 4)
      emitNeuronBackwardTime(pass, record, delta, contributions, sums)
    })
    if (partials)
      b.emit(sumScalars, 1, {
        out: context.gradient(node.index, 'w') as Reference,
        in: partials,
        count: units,
      })
    giveGradient(read, delta, steps)
    if (spikes && eligibility) probe(pass, node, output, spikes, delta, eligibility)
  },
}

/** What `diagnostics` compares. */
function probe(
  pass: Pass,
  node: GraphNode,
  output: SpikeTensor,
  spikes: Buffer,
  delta: Buffer,
  eligibility: Buffer,
): void {
  const { shape, stored } = output
  const steps = pass.gradientSteps
  pass.probes.neurons.push({
    name: node.name,
    spikeGradient: gradientTimeSum(
      pass,
      `${node.name} spike gradient over time`,
      spikes,
      shape,
      steps,
      stored,
      true,
    ),
    currentGradient: gradientTimeSum(
      pass,
      `${node.name} current gradient over time`,
      delta,
      shape,
      steps,
      stored,
      true,
    ),
    eligibility,
    shape,
    stored,
  })
}
