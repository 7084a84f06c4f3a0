/** Spiking neurons: up to two currents and one layer's spikes in, spikes out. */

import { expect } from '../../errors.js'
import type { GraphNode } from '../../graph/trace.js'
import type { Neuron } from '../../nn/layers/index.js'

import { countNeurons } from '../activity.js'
import { giveGradient, neuronGradient, neuronTimeGradient } from '../gradients.js'
import { lowerLearntTau } from '../learnt-tau.js'

import { type MethodTraits, quoteMethodsWith } from '../methods.js'
import {
  dynamicsOf,
  emitNeuron,
  emitNeuronBackwardTime,
  hasCommonTrace,
  inNeuronUnits,
  type NeuronRecord,
} from '../neuron-record.js'
import { type Pass, term } from '../pass.js'
import { givePenalties } from '../penalties.js'
import { isProbed, probe, probedSpikes } from '../probe.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../records/gradient.js'
import { sumScalars } from '../records/sums.js'
import { spikingLayer } from '../spiking.js'
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
    const dynamics = dynamicsOf(layer)
    const spiking = spikingLayer(pass, node, dynamics, x)
    const { read, output, units, values } = spiking
    const eligibility =
      training && (method.neuron === 'eligibility' || isProbed(pass))
        ? pass.carried(`${node.name} eligibility`, values, 'kept', options.inspect)
        : undefined
    const surrogateOut =
      training && method.neuron === 'surrogate'
        ? b.buffer(`${node.name} surrogate`, values * pass.callSteps)
        : undefined
    const record: NeuronRecord = {
      ...spiking.record(),
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
    spiking.tellRates(eligibility)

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
    const { b, context } = pass
    const steps = pass.gradientSteps
    const { eligibility } = record
    const spikes = eligibility && probedSpikes(pass, node, output)
    const { contributions, out: delta } = neuronTimeGradient(
      pass,
      gradientName(node),
      output,
      steps,
    )
    const partials = layer.learnable ? b.buffer(`${node.name} tau gradient`, units * 4) : undefined
    const { pixelsPerUnit: perUnit } = inNeuronUnits(pass, record)
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
    if (spikes && eligibility) probe(pass, node, output, { spikes, delta, eligibility })
  },
}
