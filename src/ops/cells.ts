/** What the ops of cells and of texts share. */

import type { Cell, Equations } from '../nn/layers/index.js'
import type { LayerKind, ParameterSpec } from '../nn/layers/kind.js'
import type { NeuronModel } from '../nn/layers/neuron-model.js'
import { isOneToOne, recurrentWeight } from '../nn/layers/recurrence.js'
import { type ParameterLayout, pack, unpack, vectorLayout } from '../plan/layout.js'
import {
  emitLearnGradients,
  emitNeuronsBackward,
  emitRecurrentGradient,
} from '../plan/neuron-backward.js'
import { emitNeurons, type NeuronScope, type Neurons, sizesOf } from '../plan/neuron-record.js'
import { parameterLayout } from '../plan/neurons.js'
import { noPool } from '../plan/tensors.js'
import type { Buffer } from '../plan/words.js'
import type { OpBuilder, Planned } from './builder.js'
import { type Extent, sizeOf, still } from './shapes.js'
import { floatTensor, type OpTensor, plainTensor, spikesTensor } from './tensor.js'
import { asFloat } from './terms.js'
import { imageOf } from './windows.js'

/** Neurons as an op plans them. */
export interface NeuronJob {
  readonly extent: Extent
  readonly layer: Cell | Equations
  readonly scope: NeuronScope
  readonly neurons: Neurons
  readonly input: OpTensor
  /** What is learned, by the state dict's names, in its order. */
  readonly parameters: readonly OpTensor[]
  /** A tensor like each of them, for gradients. */
  gradients(): OpTensor[]
}

/** A parameter in PyTorch's order, and as the planner lays it out. */
function parameterTensor({ b }: OpBuilder, name: string, layout: ParameterLayout): OpTensor {
  const shape = layout.shape.length === 0 ? [1] : layout.shape
  const plain = plainTensor(b, { name }, [layout.stored])
  return {
    ...plain,
    name,
    shape,
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

const layoutOf = (spec: ParameterSpec, shape: readonly [number, number, number]): ParameterLayout =>
  parameterLayout(spec, shape) ?? vectorLayout(spec.shape, spec.shape[0] ?? 1)

/**
 * Makes the tensors that neurons read.
 * @throws SpikewasmError for numbers of another length than the shape has; `where` begins it
 */
export function jobOf<L extends Cell | Equations>(
  o: OpBuilder,
  layer: L,
  { kind, model }: { readonly kind: LayerKind<L>; readonly model: NeuronModel },
  extent: Extent,
  where = o.op,
): NeuronJob {
  const { b } = o
  const shape = imageOf(extent)
  kind.output(layer, { node: 0, shape, flat: false }, where)
  const specs = kind.parameters?.(layer, shape) ?? []
  const tensors = (suffix: string): OpTensor[] =>
    specs.map((spec) => parameterTensor(o, `${spec.name}${suffix}`, layoutOf(spec, shape)))
  const input = floatTensor(b, { name: 'input' }, extent)
  const parameters = tensors('')
  const placeOf = (name: string): Buffer =>
    parameters.find((tensor) => tensor.name === name)?.buffer as Buffer
  const neurons: Neurons = {
    // Forward and back draw the same numbers.
    name: 'neurons',
    model,
    shape,
    inputs: [{ tensor: asFloat(input, extent) }],
    parameters: new Map(Array.from(model.learn, ([key, name]) => [key, placeOf(name)])),
    recurrent: model.recurrence
      ? {
          weight: placeOf(recurrentWeight(layer)),
          bias: placeOf('recurrent.bias'),
          oneToOne: isOneToOne(layer),
        }
      : undefined,
  }
  return {
    extent,
    layer,
    scope: {
      b,
      images: extent.B,
      callSteps: extent.T,
      context: { images: extent.B },
      options: { timeSteps: extent.T },
    },
    neurons,
    input,
    parameters,
    gradients: () => tensors('Gradient').filter((tensor) => sizeOf(tensor.shape) > 0),
  }
}

/** Results of neurons over all steps. */
export type NeuronOutputs = 'eligibilities' | 'surrogates'

/** @param own name of what a layer gives: spikes, or numbers */
export function forwardOf<Own extends string>(
  { b, op }: OpBuilder,
  { extent, scope, neurons, input, parameters }: NeuronJob,
  own: Own,
  outputs: ReadonlySet<Own | NeuronOutputs>,
): Planned {
  const isSpiking = neurons.model.equations.output === 'spike'
  const spikes = isSpiking ? spikesTensor(b, op, { name: own }, extent) : undefined
  const values = spikes ? undefined : floatTensor(b, { name: own }, extent)
  const asked = (name: NeuronOutputs, of: Extent): OpTensor | undefined =>
    outputs.has(name) ? floatTensor(b, { name }, of) : undefined
  const eligibilities = asked('eligibilities', still(extent))
  const surrogates = asked('surrogates', extent)
  const { units } = sizesOf(scope, neurons)
  emitNeurons(scope, neurons, {
    masks: spikes?.buffer,
    counts: spikes?.counts.buffer,
    countPartials: spikes && b.buffer('spike sums', units * 4, 'statistics'),
    out: values?.buffer,
    eligibility: eligibilities?.buffer,
    surrogateOut: surrogates?.buffer,
  })
  const result = (spikes ?? values) as OpTensor
  const made: Readonly<Record<string, OpTensor | undefined>> = { eligibilities, surrogates }
  return {
    inputs: [input, ...parameters],
    outputs: [...outputs].map((name) => made[name] ?? result),
    others: outputs.has(own) ? [] : [result],
  }
}

/** Gradients through time. */
export function backwardOf(o: OpBuilder, job: NeuronJob): Planned {
  const { b, op } = o
  const { extent, layer, scope, neurons, input, parameters } = job
  const { shape, model, recurrent } = neurons
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const made = job.gradients()
  const gradientOf = (name: string): Buffer =>
    made.find((tensor) => tensor.name === `${name}Gradient`)?.buffer as Buffer
  const before = recurrent ? floatTensor(b, { name: 'spikesBefore' }, extent) : undefined
  const inputs = before && floatTensor(b, { name: 'currents' }, extent)
  if (before)
    emitNeurons(scope, neurons, {
      masks: spikesTensor(b, op, { name: 'spikes' }, extent).buffer,
      recurrent: { inputs: inputs?.buffer, presynaptic: before.buffer },
    })
  const { bytes } = sizesOf(scope, neurons)
  const { size } = model.learn
  const traces = size > 0 ? b.buffer('derivatives', bytes * size) : undefined
  const arriving = { buffer: delta.buffer, steps: extent.T, pool: noPool, scale: 1 }
  const all = { ...arriving, outH: shape[1], outW: shape[2] }
  const out = inputGradient.buffer
  emitNeuronsBackward(scope, neurons, out, [all], { traces, inputs: inputs?.buffer })
  const learnt = new Map(Array.from(model.learn, ([key, name]) => [key, gradientOf(name)]))
  if (traces) emitLearnGradients(scope, neurons, traces, undefined, learnt)
  if (before) {
    const biasOut = recurrent?.bias ? gradientOf('recurrent.bias') : undefined
    const weight = gradientOf(recurrentWeight(layer))
    const places = { out: weight, biasOut, in: before.buffer, delta: out }
    emitRecurrentGradient(scope, neurons, places, false)
  }
  return { inputs: [delta, input, ...parameters], outputs: [inputGradient, ...made] }
}
