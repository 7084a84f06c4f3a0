/** The records of neurons from equations, for layers and ops. */

import {
  type BackwardOptions,
  backwardKernel,
  backwardSteps,
} from '../../kernels/equations/backward.js'
import { type ForwardOptions, forwardKernel } from '../../kernels/equations/forward.js'
import { Level } from '../../kernels/equations/graph.js'
import { type Kernel, KernelSet } from '../../kernels/equations/kernel-set.js'
import type { Layer, Parameter } from '../../kernels/equations/layer.js'
import type { Range } from '../../kernels/equations/step.js'
import * as records from '../../kernels/records/neuron.js'
import { type NeuronFields, neuron, recurrent } from '../../kernels/records/neuron.js'
import type { FieldsOf, Place } from '../../kernels/records/schema.js'
import type { Buffer } from '../../kernels/records/words.js'
import type { NeuronModel } from '../../network/kind.js'
import type { Values } from '../../network/value.js'
import { inUnits } from '../budgets.js'
import { type PlanOptions, segmentOf } from '../context.js'
import { storedChannels } from '../layout.js'
import type { Pass } from '../pass.js'
import { type Contribution, type FloatTensor, type Norm, rowsOf, type Shape } from '../tensors.js'
import { contributionFields } from './gradients.js'

/** Where neurons run: a pass, or an op. */
export interface NeuronScope extends Pick<Pass, 'b' | 'images' | 'callSteps'> {
  /** `images`: those that the tensors hold. */
  readonly context: { readonly images: number }
  /** `timeSteps`: over which means run. */
  readonly options: Pick<PlanOptions, 'timeSteps' | 'truncate'>
}

/** An affine map. Mean and inverse deviation: where x̂ is wanted. */
type NeuronNorm = Pick<Norm, 'groups' | 'scale' | 'shift' | 'mean' | 'invStd'>

/** A float tensor that neurons read, through the affine map of a normalisation if there is one. */
export interface NeuronInput {
  readonly tensor: FloatTensor
  readonly norm?: NeuronNorm
  /** Where the time mean of the normalised values goes. */
  readonly xhat?: Buffer
}

/** Where parameters that are in memory lie, or gradients, by name. */
export type Places = ReadonlyMap<string, Place>

type RecurrentFields = FieldsOf<typeof recurrent>

/** Neurons, and what they read. */
export interface Neurons {
  readonly name: string
  readonly model: NeuronModel
  readonly shape: Shape
  readonly inputs: readonly NeuronInput[]
  readonly spikes?: { readonly masks: Place; readonly scale: number }
  /** Parameters that kernels read from memory; others stand in their code. */
  readonly parameters: Places
  /** A layer's own spikes as a current. */
  readonly recurrent?: Pick<RecurrentFields, 'weight' | 'bias' | 'oneToOne'>
  /** Numbers that are drawn are others at each run and for each image. */
  readonly training?: boolean
}

/** What of neurons is wanted forward. */
export type NeuronResults = Pick<
  NeuronFields,
  | 'masks'
  | 'counts'
  | 'countPartials'
  | 'out'
  | 'eligibility'
  | 'surrogateOut'
  | 'traces'
  | 'activity'
  | 'activityWanted'
> & {
  /** Recurrent neurons: what is kept of each step, and a trace in place of spikes. */
  readonly recurrent?: Pick<RecurrentFields, 'inputs' | 'presynaptic' | 'traced' | 'arrivals'>
  readonly recorded?: { readonly at: Place; readonly values: ForwardOptions['recorded'] }
}

/** How many values a parameter has of its own. */
export function levelOf(values: Values, [c]: Shape): Level {
  if (typeof values === 'number') return Level.Layer
  return values.length === c ? Level.Channel : Level.Neuron
}

/**
 * Lists of numbers that are not in memory, as they are stored one behind the other, and where each
 * begins; padding has the number of the first channel.
 */
function listsOf({ model, parameters, shape: [c, h, w] }: Neurons) {
  const stored = storedChannels(c)
  const offsets = new Map<string, number>()
  const floats: number[] = []
  for (const [name, values] of Object.entries(model.parameters)) {
    if (typeof values === 'number' || parameters.has(name)) continue
    offsets.set(name, floats.length * 4)
    const pixels = values.length === c ? 1 : h * w
    for (let pixel = 0; pixel < pixels; pixel++)
      for (let channel = 0; channel < stored; channel++)
        floats.push(values[(channel < c ? channel : 0) * pixels + pixel])
  }
  return { offsets, given: floats.length > 0 ? floatBytes(floats) : undefined }
}

const floatBytes = (floats: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(floats).buffer)

/** What kernels are made from. */
export function layerOf(neurons: Neurons): Layer {
  const { model, shape, inputs, spikes, parameters: places, recurrent } = neurons
  const { equations, surrogate, alpha, init } = model
  const { offsets } = listsOf(neurons)
  const parameters = Object.entries(model.parameters).map(([name, values]): Parameter => {
    const range = equations.ranges.get(name)
    return {
      name,
      learns: places.has(name),
      level: levelOf(values, shape),
      offset: offsets.get(name) ?? 0,
      value: typeof values === 'number' ? values : undefined,
      range: range && boundsOf(range),
    }
  })
  const stored = storedChannels(shape[0])
  return {
    equations,
    surrogate,
    alpha,
    parameters,
    learn: [...places.keys()],
    init,
    noise: equations.draws?.length
      ? { seed: seedOf(neurons), byRun: neurons.training ?? false }
      : undefined,
    terms: inputs.map(({ tensor, norm, xhat }) => ({
      affine: norm !== undefined,
      groups: norm !== undefined && norm.groups > 1,
      still: tensor.steps === 1 && !recurrent,
      xhat: xhat !== undefined,
    })),
    spikes: spikes?.scale,
    leak: recurrent && model.leakExpression,
    padded: stored !== shape[0],
    wide: stored % 8 === 0,
  }
}

/** The number next to x, towards the other one. */
function beside(x: number, other: number): number {
  const word = new Float32Array([x])
  const bits = new Int32Array(word.buffer)
  if (x === 0) bits[0] = other > 0 ? 1 : -0x7fffffff
  else bits[0] += other > x === x > 0 ? 1 : -1
  return word[0]
}

/** Beside a closed bound an open one is the number next to it. */
function boundsOf({ least, most, withLeast, withMost }: Range) {
  const open = !withLeast && !withMost
  const next = (x: number, other: number, isIn: boolean): number =>
    open || isIn || !Number.isFinite(x) ? x : beside(x, other)
  return { least: next(least, most, withLeast), most: next(most, least, withMost), open }
}

/** Layers draw numbers of their own: FNV-1a of the seed and the layer's name. */
const seedOf = ({ name, model }: Neurons): number =>
  [...`${model.seed ?? 0} ${name}`].reduce(
    (hash, letter) => Math.imul(hash ^ letter.charCodeAt(0), 0x01000193),
    0x811c9dc5 | 0,
  ) >>> 0

const withSigns = (_: string, value: unknown): unknown => (Object.is(value, -0) ? '-0' : value)

/** All that a kernel follows from. */
export function keyOf(role: string, layer: Layer, options: object): string {
  const { equations, surrogate, ...rest } = layer
  return JSON.stringify([role, equations.text, surrogate.text, rest, options], withSigns)
}

/** A kernel, and its place in the engine's table. */
export function kernelOf({ b }: NeuronScope, key: string, make: () => Kernel) {
  b.kernels ??= new KernelSet()
  return b.kernels.take(key, make)
}

function inputFields({ tensor, norm, xhat }: NeuronInput) {
  const { pixelBytes, stepBytes } = rowsOf(tensor.buffer as Buffer, tensor.stored, tensor.steps)
  const groupBytes = norm && norm.groups > 1 ? tensor.stored * 4 : undefined
  const map = { scale: norm?.scale, shift: norm?.shift }
  const means = xhat && { mean: norm?.mean, invStd: norm?.invStd, xhat }
  return { at: tensor.buffer as Place, pixelBytes, stepBytes, groupBytes, ...map, ...means }
}

/** What both directions read, of all neurons and of those whose currents are more than one. */
export function chargeFields(scope: NeuronScope, neurons: Neurons) {
  const { shape, inputs, spikes, parameters } = neurons
  const stored = storedChannels(shape[0])
  const imagePixels = shape[1] * shape[2]
  const pixels = scope.images * imagePixels
  const [a, b] = inputs.map(inputFields)
  const learnt = Array.from(parameters.values(), (place, i) => [`learnt${i}`, place])
  const { units, pixelsPerUnit } = inUnits(pixels, stored)
  const shared = {
    pixels,
    channels: stored,
    realChannels: shape[0],
    imagePixels,
    steps: scope.callSteps,
    a: a.at,
    aPixelBytes: a.pixelBytes,
    aStepBytes: a.stepBytes,
    given: listsOf(neurons).given,
    ...(Object.fromEntries(learnt) as { readonly [name: `learnt${number}`]: Place }),
  }
  const currents = {
    pixelsPerUnit,
    aScale: a.scale,
    aShift: a.shift,
    aGroupBytes: a.groupBytes,
    b: b?.at,
    bPixelBytes: b?.pixelBytes,
    bStepBytes: b?.stepBytes,
    bScale: b?.scale,
    bShift: b?.shift,
    bGroupBytes: b?.groupBytes,
    spikes: spikes?.masks,
    spikePlaneBytes: spikes && scope.context.images * imagePixels * stored,
  }
  const means = {
    aMean: a.mean,
    aInvStd: a.invStd,
    aXhat: a.xhat,
    bMean: b?.mean,
    bInvStd: b?.invStd,
    bXhat: b?.xhat,
  }
  return { units, shared, currents, means }
}

/** Units of a layer, images where it is recurrent; and bytes of a number for each neuron. */
export function sizesOf(
  { images }: Pick<NeuronScope, 'images'>,
  { shape: [c, h, w], recurrent }: Pick<Neurons, 'shape' | 'recurrent'>,
): { readonly units: number; readonly bytes: number } {
  const stored = storedChannels(c)
  const pixels = images * h * w
  return { units: recurrent ? images : inUnits(pixels, stored).units, bytes: pixels * stored * 4 }
}

/**
 * Forward.
 *
 * @param state memory of so many bytes that is carried from call to call; undefined: there is one
 */
export function emitNeurons(
  scope: NeuronScope,
  neurons: Neurons,
  results: NeuronResults,
  state?: (bytes: number) => Place,
): void {
  const layer = layerOf(neurons)
  const { recurrent: own, recorded, ...wanted } = results
  const { masks, out } = results
  const isRecurrent = neurons.recurrent !== undefined
  const options: ForwardOptions = {
    steps: isRecurrent ? 1 : scope.callSteps,
    totalSteps: scope.options.timeSteps,
    carried: isRecurrent || state !== undefined,
    counts: results.counts !== undefined,
    eligibility: results.eligibility !== undefined,
    traces: results.traces !== undefined,
    surrogateOut: results.surrogateOut !== undefined,
    silent: masks === undefined && out === undefined,
    recorded: recorded?.values,
    ...(isRecurrent ? { rows: scope.callSteps, fired: own?.traced ? 'trace' : 'spikes' } : {}),
  }
  const kernel = (chosen: ForwardOptions) =>
    kernelOf(scope, keyOf('forward', layer, chosen), () => forwardKernel(layer, chosen))
  const { units, shared, currents, means } = chargeFields(scope, neurons)
  const { place, stateRows: rows = 0 } = kernel(options)
  const row = sizesOf(scope, neurons).bytes
  const fields = {
    ...shared,
    ...wanted,
    kernel: place,
    counting: results.activity && kernel({ ...options, changes: true }).place,
    planeBytes: masks && row / 4,
    recorded: recorded?.at,
    state: state?.(row * rows),
  }
  if (!neurons.recurrent) {
    scope.b.emit(neuron, units, { ...fields, ...currents, ...means })
    return
  }
  scope.b.emit(recurrent, scope.images, {
    ...fields,
    ...neurons.recurrent,
    ...own,
    state: fields.state ?? scope.b.buffer(`${neurons.name} state`, row * rows),
    fired: row * (rows - (own?.traced ? 2 : 1)),
  })
}

// The records of neurons backward through time, and of what they learn.

/** Backward through time; `traces`: derivatives of each neuron by what is learnt. */
export function emitNeuronsBackward(
  scope: NeuronScope,
  neurons: Neurons,
  delta: Place,
  contributions: readonly Contribution[],
  { traces, inputs }: { readonly traces?: Place; readonly inputs?: Place } = {},
): void {
  const layer = layerOf(neurons)
  const segment = segmentOf(scope.options)
  const options: BackwardOptions = {
    steps: scope.callSteps,
    traces: traces !== undefined,
    // With recurrent neurons the record itself runs the steps.
    ...(segment && !neurons.recurrent && { segment }),
  }
  const { units, shared, currents } = chargeFields(scope, neurons)
  const { channels, steps } = shared
  const fields = {
    ...shared,
    delta,
    ...contributionFields(contributions, channels, steps),
    height: neurons.shape[1],
    width: neurons.shape[2],
    traces,
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
    a: inputs as Place,
    aPixelBytes: row * steps,
    aStepBytes: row,
    kernel: kernelOf(scope, key('step back'), step).place,
    ahead: kernelOf(scope, key('states'), states).place,
    states: count,
    segment,
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
