/** Layers of neurons: how they run, and how gradients pass them. */

import { fail } from '../../base/errors.js'
import { neuronBackwardOnline, neuronBackwardRate } from '../../kernels/records/gradient.js'
import { MOST_LEARNT } from '../../kernels/records/neuron.js'
import type { Place } from '../../kernels/records/schema.js'
import type { Buffer, Reference } from '../../kernels/records/words.js'
import { isOneToOne, recurrentWeight } from '../../network/cell.js'
import { labelOf, type NeuronModel, type ParameterSpec } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import { neuronAxes, neuronLayout, type ParameterLayout, storedChannels } from '../layout.js'
import { givePenalties } from '../loss-kind.js'
import { type MethodTraits, quoteMethodsWith } from '../methods.js'
import { type Pass, term } from '../pass.js'
import * as tensors from '../tensors.js'
import { countArrivals, countNeurons, countValues, recordMasks, recordStates } from './activity.js'
import {
  giveGradient,
  gradientBuffer,
  gradientTimeSum,
  neuronGradient,
  neuronTimeGradient,
  sumGradient,
} from './gradients.js'
import * as records from './neuron-record.js'
import { floatsOf, materialise } from './write-out.js'

/** How parameters lie: of each neuron [H][W][C'], a recurrent weight by its inputs. */
export function parameterLayout(
  { name, shape }: ParameterSpec,
  image: tensors.Shape,
): ParameterLayout | undefined {
  if (shape.length !== 3 && !name.startsWith('recurrent.')) return undefined
  const one = neuronLayout(shape, image)
  if (name !== 'recurrent.weight') return one
  const { stored } = one
  const axes = [...neuronAxes(image), ...neuronAxes(image, stored)]
  return { shape, stored: stored ** 2, axes }
}

/** @throws SpikewasmError where the method cannot train the layer */
function checkMethod(
  node: GraphNode,
  { learn, isLate, recurrence, leakExpression }: NeuronModel,
  { training, context, options }: Pass,
): void {
  const { neuron, presynaptic } = context.method
  const label = labelOf(node)
  const where = `${node.name} (${label})`
  if (learn.size > MOST_LEARNT)
    fail(`${where}: it may learn ${MOST_LEARNT} parameters, got ${learn.size}`)
  const method = `method '${options.method}'`
  type Fits = (traits: MethodTraits) => boolean
  const refuse = (isWrong: boolean, why: string, fits: Fits, more = ''): void => {
    if (training && isWrong) fail(`${where}: ${why}; use ${quoteMethodsWith(fits)}${more}`)
  }
  refuse(
    neuron === 'surrogate' && learn.size > 0,
    `${method} has no gradient of what it learns (${[...learn.keys()].join(', ')})`,
    ({ backward }) => backward === 'afterwards',
    `, or ${label === 'plif' ? 'lif() with this method' : 'leave out learn'}`,
  )
  refuse(
    neuron === 'surrogate' && isLate === true,
    `what a step gives does not depend on its own current, so that ${method} has no gradient`,
    ({ backward }) => backward === 'afterwards',
  )
  refuse(
    neuron === 'eligibility' && recurrence !== null,
    `${method} has no gradient of a recurrent weight`,
    (one) => one.neuron !== 'eligibility',
  )
  refuse(
    presynaptic === 'trace' && recurrence !== null && !leakExpression,
    `${method} has no trace of its own spikes: these equations have no single leak`,
    (one) => one.neuron !== 'eligibility' && one.presynaptic !== 'trace',
  )
}

/**
 * At most two float tensors and one spike tensor are read as they are; anything else is written out
 * first.
 */
function readable(pass: Pass, node: GraphNode, x: tensors.Expression, stored: number) {
  const split = (read: tensors.Expression) => ({
    read,
    floats: read.terms.filter((t) => t.tensor.kind === 'float'),
    spikes: read.terms.filter((t) => t.tensor.kind === 'spikes'),
  })
  const plain = (t: tensors.Term): boolean =>
    tensors.isIdentity(t.pool) &&
    (t.tensor.kind === 'spikes' || (t.scale === 1 && !t.tensor.input && t.tensor.stored === stored))
  const { floats, spikes } = split(x)
  if (x.terms.every(plain) && floats.length >= 1 && floats.length <= 2 && spikes.length <= 1)
    return split(x)
  return split({ shape: x.shape, terms: [term(materialise(pass, node, x))] })
}

/** A float term as neurons read it; they average what a normalisation has normalised. */
const inputOf = ({ tensor, norm }: tensors.Term): records.NeuronInput => ({
  tensor: tensor as tensors.FloatTensor,
  norm,
  xhat: norm?.claimMean(),
})

/** What a layer of neurons reads: recurrent ones a plain current, to which their spikes add. */
function neuronsOf(
  pass: Pass,
  node: GraphNode,
  model: NeuronModel,
  x: tensors.Expression,
  places: records.Places,
): { readonly neurons: records.Neurons; readonly read: tensors.Expression } {
  const { context } = pass
  const { name, shape, index } = node
  const given: tensors.Expression = model.recurrence
    ? { shape: x.shape, terms: [term(floatsOf(pass, node, x))] }
    : x
  const { read, floats, spikes } = readable(pass, node, given, storedChannels(shape[0]))
  const fired = spikes.at(0)
  const neurons: records.Neurons = {
    name,
    model,
    shape,
    training: pass.training,
    inputs: floats.map(inputOf),
    spikes: fired && { masks: (fired.tensor as tensors.SpikeTensor).masks, scale: fired.scale },
    parameters: places,
    recurrent: model.recurrence
      ? {
          weight: context.parameter(index, recurrentWeight(model)) as Place,
          bias: context.parameter(index, 'recurrent.bias'),
          oneToOne: isOneToOne(model),
        }
      : undefined,
  }
  return { neurons, read }
}

/** What a method needs of a layer beside its spikes. */
function resultsOf(pass: Pass, { name }: GraphNode, neurons: records.Neurons) {
  const { b, context, options, training } = pass
  const { method } = context
  const { model } = neurons
  const { size } = model.learn
  const { bytes } = records.sizesOf(pass, neurons)
  const isSpiking = model.equations.output === 'spike'
  const byRates = training && method.neuron === 'eligibility'
  // A recurrent layer's rate is no function of its input alone.
  const probed = isSpiking && !model.recurrence && isProbed(pass)
  const kept = (role: string, of: number, inspect?: boolean): Buffer =>
    pass.carried(`${name} ${role}`, of, 'kept', inspect)
  const ofSteps = (role: string, wanted: boolean): Buffer | undefined =>
    wanted ? b.buffer(`${name} ${role}`, bytes * pass.callSteps) : undefined
  return {
    eligibility: byRates || probed ? kept('eligibility', bytes, options.inspect) : undefined,
    traces: byRates && size > 0 ? kept('derivatives', bytes * size) : undefined,
    surrogateOut: ofSteps('surrogate', training && method.neuron === 'surrogate'),
    recurrent: model.recurrence
      ? {
          inputs: ofSteps('currents', training && method.neuron === 'time'),
          presynaptic: ofSteps('spikes before', training),
          traced: method.presynaptic === 'trace',
        }
      : undefined,
  }
}

/** What a layer gives: spikes and their counts, or floats. */
function outputOf(pass: Pass, { name, shape }: GraphNode, model: NeuronModel, units: number) {
  if (model.equations.output !== 'spike')
    return { output: pass.floatTensor(name, shape, pass.callSteps) }
  const sums = { buffer: pass.carried(`${name} spike counts`, units * 4, 'statistics'), units }
  return { output: pass.spikeTensor(name, shape, model.leak, sums), sums }
}

type Results = ReturnType<typeof resultsOf>

/**
 * Emits a layer of neurons and what of it goes back.
 *
 * @param before emits what comes before the layer's record, from what it reads and its state, and
 *   says where parameters are that nothing learns
 */
export function lowerNeurons(
  pass: Pass,
  node: GraphNode,
  model: NeuronModel,
  x: tensors.Expression,
  before?: {
    readonly places: records.Places
    emit(neurons: records.Neurons, state: Place | undefined): void
  },
): tensors.Expression {
  const { context, options } = pass
  checkMethod(node, model, pass)
  const { name, shape, index } = node
  const places = (of: (node: number, role: string) => Reference | undefined): records.Places =>
    new Map([...model.learn].map(([key, role]) => [key, of(index, role) as Place]))
  const parameters = before?.places ?? places((at, role) => context.parameter(at, role))
  const { neurons, read } = neuronsOf(pass, node, model, x, parameters)
  const isSpiking = model.equations.output === 'spike'
  const isActivation = !isSpiking && model.equations.states.length === 0
  const { units } = records.sizesOf(pass, neurons)
  const { output, sums } = outputOf(pass, node, model, units)
  const fired = output.kind === 'spikes' ? output : undefined
  const kept = resultsOf(pass, node, neurons)
  const results = {
    ...kept,
    masks: fired?.masks,
    // A file that was exported tells no rates.
    counts: pass.countsSpikes ? fired?.counts : undefined,
    countPartials: options.fixed ? undefined : sums?.buffer,
    out: output.kind === 'float' ? output.buffer : undefined,
    ...(isActivation ? {} : countNeurons(pass, node, units, isSpiking)),
    recorded: recordStates(pass, node, model),
    recurrent: kept.recurrent && {
      ...kept.recurrent,
      arrivals: countArrivals(pass, node, units, storedChannels(shape[0])),
    },
  }
  let state: Buffer | undefined
  const carry = (bytes: number): Buffer => {
    state ??= pass.carried(`${name} state`, bytes, 'kept')
    return state
  }
  const isCarried = context.outer || (before !== undefined && pass.training)
  before?.emit(neurons, isCarried ? carry(records.sizesOf(pass, neurons).bytes) : undefined)
  records.emitNeurons(pass, neurons, results, isCarried ? carry : undefined)
  if (isActivation) countValues(pass, node, 'output', shape, output as tensors.FloatTensor)
  if (fired && sums) addRates(pass, fired, sums, kept.eligibility)
  pass.backward(node, () => {
    if (fired) givePenalties(pass, node, fired)
    if (output.gradient.length === 0) return
    const gradients = places((at, role) => pass.gradient(at, role))
    const { delta, steps } = currentGradient(pass, node, neurons, output, kept, gradients)
    const presynaptic = kept.recurrent?.presynaptic
    if (presynaptic) recurrentGradient(pass, index, neurons, presynaptic, delta)
    giveGradient(read, delta, steps)
  })
  return { shape, terms: [term(output)] }
}

/** The gradients of a layer's recurrent weight and bias, from those of its currents. */
function recurrentGradient(
  pass: Pass,
  node: number,
  neurons: records.Neurons,
  presynaptic: Buffer,
  delta: Buffer,
): void {
  const { context } = pass
  const places = {
    in: presynaptic,
    delta,
    out: pass.gradient(node, recurrentWeight(neurons.model)) as Reference,
    biasOut: pass.gradient(node, 'recurrent.bias'),
  }
  records.emitRecurrentGradient(pass, neurons, places, context.accumulate)
}

/** Where a layer's record leaves spikes and their sums by unit. */
function addRates(
  pass: Pass,
  output: tensors.SpikeTensor,
  byUnits: tensors.UnitSums,
  eligibility?: Buffer,
): void {
  const { name, shape, stored, masks, counts } = output
  const { buffer: partials, units } = byUnits
  const recorded = recordMasks(pass, output)
  const probe = { name, partials, units, counts, masks, shape, stored, recorded, eligibility }
  const { inspect, training } = pass.options
  // Penalties read them behind all calls.
  const isRead = inspect || training?.penalties.some(({ layers }) => layers.includes(name))
  const sums = pass.training && !counts && isRead ? pass.spikeSums(output).buffer : undefined
  pass.rates.push({ ...probe, sums, neurons: sizeOf(shape) })
}

/** Whether layers that spike keep their eligibility beside the gradient through time. */
const isProbed = ({ training, context, options }: Pass): boolean =>
  training && context.method.neuron === 'time' && options.inspect

/** Emits the sums over time of the gradients of spikes and of currents. */
function probe(
  pass: Pass,
  { name }: GraphNode,
  fired: tensors.SpikeTensor,
  of: { readonly spikes: Buffer; readonly delta: Buffer; readonly eligibility: Buffer },
): void {
  const { shape, stored } = fired
  const { gradientSteps } = pass
  const overTime = (what: string, from: Buffer): Buffer =>
    gradientTimeSum(pass, `${name} ${what} over time`, from, fired, gradientSteps, true)
  const { eligibility } = of
  const spikeGradient = overTime('spike gradient', of.spikes)
  const currentGradient = overTime('current gradient', of.delta)
  pass.probes.neurons.push({ name, spikeGradient, currentGradient, eligibility, shape, stored })
}

/** How a gradient passes neurons, by what the method asks for: that of the current. */
function currentGradient(
  pass: Pass,
  node: GraphNode,
  neurons: records.Neurons,
  output: tensors.SpikeTensor | tensors.FloatTensor,
  { eligibility, surrogateOut, traces: kept, recurrent }: Results,
  gradients: records.Places,
): { delta: Buffer; steps: number } {
  const by = pass.context.method.neuron
  const steps = by === 'eligibility' ? 1 : pass.gradientSteps
  const name = `${node.name} current gradient`
  if (kept) {
    const delta = sumGradient(pass, `${node.name} output gradient`, output, 1)
    records.emitLearnGradients(pass, neurons, kept, delta, gradients)
  }
  if (by !== 'time') {
    const isRate = by === 'eligibility'
    const kind = isRate ? neuronBackwardRate : neuronBackwardOnline
    const factor = isRate ? eligibility : surrogateOut
    return { delta: neuronGradient(pass, kind, name, output, factor as Buffer, steps), steps }
  }
  const fired = output.kind === 'spikes' ? output : undefined
  // The gradient of a layer's spikes, before neurons write over it.
  const spikes =
    eligibility && fired && isProbed(pass)
      ? sumGradient(pass, `${node.name} spike gradient`, fired, pass.gradientSteps)
      : undefined
  const { contributions, out: delta } = neuronTimeGradient(pass, name, output, steps)
  const { size } = neurons.model.learn
  const derivatives = `${node.name} derivatives`
  const traces = size > 0 ? gradientBuffer(pass, derivatives, node.shape, size) : undefined
  const inputs = recurrent?.inputs
  // Numbers that are drawn follow from the place in the batch, which no part of it knows.
  const whole = inputs !== undefined || neurons.model.equations.draws?.length
  const read = whole ? [] : neurons.inputs.map(({ tensor }) => tensor)
  pass.byImages(read, { perImage: 1, perUnit: 1 }, () => {
    records.emitNeuronsBackward(pass, neurons, delta, contributions, { traces, inputs })
  })
  if (traces) records.emitLearnGradients(pass, neurons, traces, undefined, gradients)
  if (spikes && eligibility && fired) probe(pass, node, fired, { spikes, delta, eligibility })
  return { delta, steps }
}
