/** Neurons as ops plan them: forward, and back through time. */

import type { Cell, Equations } from '../layers/index.js'
import type { LayerKind } from '../nn/kind.js'
import type { NeuronModel } from '../nn/neuron-model.js'
import { isOneToOne, recurrentWeight } from '../nn/recurrence.js'
import { type ParameterLayout, pack, unpack, vectorLayout } from '../plan/layout.js'
import {
  emitLearnGradients,
  emitNeuronsBackward,
  emitRecurrentGradient,
} from '../plan/neuron-backward.js'
import { emitNeurons, type NeuronScope, type Neurons, sizesOf } from '../plan/neuron-record.js'
import { parameterLayout } from '../plan/neurons.js'
import type { Buffer } from '../plan/words.js'
import type { OpBuilder, Planned } from './builder.js'
import { contribution } from './contributions.js'
import type { Currents } from './neurons.js'
import { stepSetting } from './passes.js'
import { still } from './shapes.js'
import { behind, floatTensor, type OpTensor, plainTensor, spikesTensor } from './tensor.js'
import { emitSpikeFloats } from './terms.js'
import { imageOf } from './windows.js'

/** Neurons as an op plans them. */
export interface NeuronJob extends Currents {
  readonly layer: Cell | Equations
  readonly scope: NeuronScope
  readonly neurons: Neurons
  /** A tensor for the gradient of each parameter, in the order of the state dict. */
  gradients(): OpTensor[]
}

/** A parameter in PyTorch's order, and as the planner lays it out. */
function parameterTensor({ b }: OpBuilder, name: string, layout: ParameterLayout): OpTensor {
  if (layout.shape.length === 0) return plainTensor(b, { name }, [1])
  const plain = plainTensor(b, { name }, [layout.stored])
  return {
    ...plain,
    shape: layout.shape,
    pack: (values, views) =>
      pack(
        layout,
        values as Float32Array,
        views(plain.buffer, 'float32', layout.stored) as Float32Array,
      ),
    unpack: (views) =>
      unpack(layout, views(plain.buffer, 'float32', layout.stored) as Float32Array),
  }
}

/**
 * Makes the tensors of what a layer learns.
 * @throws SpikewasmError for numbers of another length than the shape has; `where` begins it
 */
export function jobOf<L extends Cell | Equations>(
  o: OpBuilder,
  kind: LayerKind<L>,
  layer: L,
  currents: Currents,
  where = o.op,
): NeuronJob {
  const { extent, inputs, spikes, tensors, totalSteps = extent.T } = currents
  const shape = imageOf(extent)
  kind.output(layer, { node: 0, shape, flat: false }, where)
  const model = kind.model?.(layer) as NeuronModel
  const specs = kind.parameters?.(layer, shape) ?? []
  const named = (suffix: string): OpTensor[] =>
    specs.map((spec) => {
      const layout = parameterLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1)
      return parameterTensor(o, `${spec.name}${suffix}`, layout)
    })
  const parameters = named('')
  const placeOf = bufferIn(parameters)
  return {
    ...currents,
    tensors: [...tensors, ...parameters],
    layer,
    scope: {
      ...{ b: o.b, images: extent.B, callSteps: extent.T },
      ...{ context: { images: extent.B }, options: { timeSteps: totalSteps } },
    },
    neurons: {
      // Forward and back draw the same numbers.
      ...{ name: 'neurons', model, shape, inputs, spikes },
      parameters: new Map(Array.from(model.learn, ([key, name]) => [key, placeOf(name)])),
      recurrent: model.recurrence
        ? {
            weight: placeOf(recurrentWeight(layer)),
            bias: placeOf('recurrent.bias'),
            oneToOne: isOneToOne(layer),
          }
        : undefined,
    },
    gradients: () => named('Gradient'),
  }
}

const bufferIn =
  (tensors: readonly OpTensor[]) =>
  (name: string): Buffer =>
    tensors.find((tensor) => tensor.name === name)?.buffer as Buffer

/**
 * Neurons over all steps.
 * @param own name of what they give: spikes, or numbers
 */
export function forwardOf(
  { b, op }: OpBuilder,
  { extent, scope, neurons, tensors, means }: NeuronJob,
  own: string,
  outputs: ReadonlySet<string>,
): Planned {
  const wants = (...names: string[]): boolean => names.some((name) => outputs.has(name))
  const float = (name: string, of = still(extent)): OpTensor | undefined =>
    wants(name) ? floatTensor(b, { name }, of) : undefined
  const isSpiking = neurons.model.equations.output === 'spike'
  const spikes = isSpiking ? spikesTensor(b, op, { name: own }, extent) : undefined
  const result = spikes ?? floatTensor(b, { name: own }, extent)
  // Who asks for spikes alone has nothing counted.
  const isCounted = wants('counts', 'rates', 'eligibilities', 'surrogates')
  const counts = isCounted && spikes ? { ...spikes.counts, name: 'counts' } : undefined
  const rates = float('rates')
  const eligibilities = float('eligibilities')
  const surrogates = float('surrogates', extent)
  let potential: OpTensor | undefined
  let state: OpTensor | undefined
  /** The potentials come first. */
  const carry = (bytes: number): Buffer => {
    potential = floatTensor(b, { name: 'potential', updated: true, bytes }, still(extent))
    state = behind(potential, 'state', bytes)
    return potential.buffer
  }
  const { units } = sizesOf(scope, neurons)
  const results = {
    ...{ masks: spikes?.buffer, out: spikes ? undefined : result.buffer },
    ...{ counts: counts?.buffer, eligibility: eligibilities?.buffer },
    countPartials: counts && b.buffer('spike sums', units * 4, 'statistics'),
    surrogateOut: surrogates?.buffer,
  }
  emitNeurons(scope, neurons, results, wants('potential') ? carry : undefined)
  const { timeSteps } = scope.options
  if (rates && spikes) emitSpikeFloats(b, spikes, extent, timeSteps, rates.buffer, true)
  const made: Readonly<Record<string, OpTensor | undefined>> = {
    ...{ [own]: result, counts, rates, eligibilities, surrogates, potential },
    ...means,
  }
  return {
    inputs: [...tensors, ...(potential ? [potential] : [])],
    outputs: [...outputs].map((name) => made[name] as OpTensor),
    others: [result, counts, state].filter(
      (tensor): tensor is OpTensor => tensor !== undefined && !outputs.has(tensor.name),
    ),
    control: potential && stepSetting(op, timeSteps - extent.T),
  }
}

/** Gradients through time, of those that arrive: by default one. */
export function backwardOf(
  o: OpBuilder,
  job: NeuronJob,
  arriving = [contribution(o, o.op, 'delta', job.extent, {})],
): Planned {
  const { b, op } = o
  const { extent, layer, scope, neurons, tensors } = job
  const { model, recurrent } = neurons
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const made = job.gradients()
  const gradientOf = bufferIn(made)
  const before = recurrent ? floatTensor(b, { name: 'spikesBefore' }, extent) : undefined
  const inputs = before && floatTensor(b, { name: 'currents' }, extent).buffer
  if (before)
    emitNeurons(scope, neurons, {
      masks: spikesTensor(b, op, { name: 'spikes' }, extent).buffer,
      recurrent: { inputs, presynaptic: before.buffer },
    })
  const { bytes } = sizesOf(scope, neurons)
  const { size } = model.learn
  const traces = size > 0 ? b.buffer('derivatives', bytes * size) : undefined
  const out = inputGradient.buffer
  const contributions = arriving.map(({ gradient }) => gradient)
  // In the order in which a network adds two: the sum is the same.
  if (contributions.length === 2) contributions.reverse()
  emitNeuronsBackward(scope, neurons, out, contributions, { traces, inputs })
  const to = ([key, name]: [string, string]) => [key, gradientOf(`${name}Gradient`)] as const
  if (traces)
    emitLearnGradients(scope, neurons, traces, undefined, new Map([...model.learn].map(to)))
  if (before) {
    const biasOut = recurrent?.bias && gradientOf('recurrent.biasGradient')
    const weight = gradientOf(`${recurrentWeight(layer)}Gradient`)
    const places = { out: weight, biasOut, in: before.buffer, delta: out }
    emitRecurrentGradient(scope, neurons, places, false)
  }
  return {
    inputs: [...arriving.map(({ tensor }) => tensor), ...tensors],
    outputs: [inputGradient, ...made],
  }
}
