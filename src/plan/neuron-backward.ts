/** The records of neurons backward through time, and of what they learn. */

import { type BackwardOptions, backwardKernel, backwardSteps } from '../equations/backward.js'
import { Level } from '../equations/graph.js'
import { inUnits } from './budgets.js'
import { contributionFields } from './gradients.js'
import { storedChannels } from './layout.js'
import {
  chargeFields,
  kernelOf,
  keyOf,
  layerOf,
  levelOf,
  type NeuronScope,
  type Neurons,
  type Places,
} from './neuron-record.js'
import * as records from './records/neuron.js'
import type { FieldsOf, Place } from './records/schema.js'
import type { Contribution } from './tensors.js'

/** Backward through time; `traces`: derivatives of each neuron by what is learnt. */
export function emitNeuronsBackward(
  scope: NeuronScope,
  neurons: Neurons,
  delta: Place,
  contributions: readonly Contribution[],
  { traces, inputs }: { readonly traces?: Place; readonly inputs?: Place } = {},
): void {
  const layer = layerOf(neurons)
  const options: BackwardOptions = { steps: scope.callSteps, traces: traces !== undefined }
  const { units, shared, currents } = chargeFields(scope, neurons)
  const { channels, steps } = shared
  const fields = {
    ...shared,
    delta,
    ...contributionFields(contributions, channels, steps),
    ...{ height: neurons.shape[1], width: neurons.shape[2], traces },
  }
  const key = (role: string): string => keyOf(role, layer, options)
  if (!neurons.recurrent) {
    const kernel = kernelOf(scope, key('backward'), () => backwardKernel(layer, options))
    const all = { ...fields, ...currents, kernel: kernel.place }
    scope.b.emit(records.neuronBackwardTime, units, all, { scratch: kernel.scratch })
    return
  }
  const { step, states } = backwardSteps(layer, options)
  const row = channels * 4
  const count = layer.equations.states.length
  scope.b.emit(records.recurrentBackward, scope.images, {
    ...fields,
    ...neurons.recurrent,
    ...{ a: inputs as Place, aPixelBytes: row * steps, aStepBytes: row },
    kernel: kernelOf(scope, key('step back'), step).place,
    ahead: kernelOf(scope, key('states'), states).place,
    states: count,
  })
}

/** Gradients of a recurrent weight and its bias. */
export function emitRecurrentGradient(
  scope: NeuronScope,
  { shape, recurrent: own }: Neurons,
  places: Pick<FieldsOf<typeof records.recurrentGradient>, 'out' | 'biasOut' | 'in' | 'delta'>,
  accumulate: boolean,
): void {
  const { b, images, callSteps: steps } = scope
  const pixels = shape[1] * shape[2]
  const channels = storedChannels(shape[0])
  const sizes = { images, pixels, channels, steps, accumulate }
  const units = (pixels * channels) / 4 + (places.biasOut ? 1 : 0)
  const oneToOne = own?.oneToOne || undefined
  b.emit(records.recurrentGradient, units, { ...places, ...sizes, oneToOne })
}

/** Gradients of what is learnt; `delta`: of the time mean of the output, in rate mode. */
export function emitLearnGradients(
  scope: NeuronScope,
  { name: layer, model, shape }: Neurons,
  traces: Place,
  delta: Place | undefined,
  gradients: Places,
): void {
  const channels = storedChannels(shape[0])
  const imagePixels = shape[1] * shape[2]
  const pixels = scope.images * imagePixels
  for (const [row, name] of [...model.learn.keys()].entries()) {
    const level = levelOf(model.parameters[name], shape)
    const out = gradients.get(name) as Place
    const perNeuron = level === Level.Neuron
    const { units, pixelsPerUnit } = inUnits(perNeuron ? imagePixels : pixels, channels)
    const shared = { traces, rows: model.learn.size, row, delta, pixels, imagePixels, channels }
    const partial = perNeuron
      ? undefined
      : scope.b.buffer(`${layer} ${name} sums`, units * channels * 8)
    const target = partial ? { partial } : { out }
    scope.b.emit(records.learnGradient, units, { ...shared, ...target, pixelsPerUnit })
    const finish = { units, channels, scalar: level === Level.Layer }
    if (partial) scope.b.emit(records.learnFinish, 1, { out, partial, ...finish })
  }
}
