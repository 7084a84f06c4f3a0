/** Convolutions and linear layers, which are convolutions whose kernel covers their whole input. */

import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import { type Graph, type GraphNode, placesOf } from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import { budgets } from '../budgets.js'
import { isLong } from '../context.js'
import { emitBiasGradient } from '../convolution/dense.js'
import {
  type Geometry,
  geometryOf,
  groupingOf,
  type WeightedLayer,
} from '../convolution/geometry.js'
import * as convolution from '../convolution/index.js'
import { listGradient, listSource, patternGradient } from '../convolution/patterns.js'
import { readsLevels, readsSorted } from '../convolution/sorted.js'
import { type IntegerForward, weightBytes } from '../convolution/spikes.js'
import type { DenseForward, SpikeTask, Task, WeightGradient } from '../convolution/strategy.js'
import { storedChannels, weightLayout } from '../layout.js'
import { type FloatBuffer, type LayerPlan, type Pass, term } from '../pass.js'
import {
  type Expression,
  type FloatTensor,
  rowsOf,
  type SpikeInput,
  wantsGradient,
} from '../tensors.js'
import { countValues } from './activity.js'
import { emitTraceGradient, type Trace, traceOf } from './encode.js'
import * as gradients from './gradients.js'
import { dequantised, mostOf, whoOf } from './integer-weights.js'
import { plainFloat, spikeSources, whyNoSpikes } from './materialise.js'
import { standardisedWeight, standardiseGradient } from './norm.js'
import { materialise } from './write-out.js'

export const weighted: LayerPlan<WeightedLayer> = {
  layout({ name, shape }, graph, node) {
    if (name !== 'weight') return undefined
    const [c, h, w] = graph.nodes[node.inputs[0]].shape
    const taps = shape.length > 2 ? sizeOf(shape.slice(2)) : h * w
    const inC = readsInput(graph, node) ? c : storedChannels(c)
    const grouping = groupingOf(node.layer as WeightedLayer, inC)
    return weightLayout(shape, shape[0], c, taps, inC, grouping)
  },

  lower(pass, node, layer, x) {
    const { b, context, options, callSteps } = pass
    const { buffers, method } = context
    const { name, index } = node
    const plain = plainInput(pass, node, x)
    const inC = plain ? plain.stored : storedChannels(x.shape[0])
    const g = geometryOf(layer, x.shape, inC, node.shape, pass.images)
    const { zeros } = buffers
    const compact = options.fixed
    const spikes = spikeSources(x)
    const task = spikes && { g, steps: callSteps, spikes, compact }
    const onSpikes = task && convolution.fitsSpikes(task) ? spikes : undefined
    const integers = integersOf(pass, node, x, task)
    const weight =
      layer.standardise && !integers
        ? standardisedWeight(pass, node, layer, g)
        : (context.parameter(index, 'weight') as Reference)
    const bias = context.parameter(index, 'bias')
    const floats = onSpikes ? undefined : (plain ?? materialise(pass, node, x))
    const steps = floats?.steps ?? callSteps
    countValues(pass, node, 'input', floats?.shape ?? x.shape, floats ?? (onSpikes as SpikeInput))
    let output = pass.floatTensor(`${name} current`, node.shape, steps)
    const job = { name, g, steps, weight, bias, out: output.buffer, zeros }
    if (floats)
      pass.make(output, { layers: 1, byImages: !floats.input }, () =>
        convolution.emitForwardOnFloats(b, { ...forImages(pass, job), input: pass.dense(floats) }),
      )
    const sorted = task && onSpikes && sortedOf(pass, name, task, integers !== undefined)
    const read = integers ? spikes : (sorted ?? spikes)
    if (onSpikes)
      output = {
        ...output,
        moments: integers
          ? forwardOnIntegers(pass, node, sorted ?? onSpikes, output, { ...job, ...integers })
          : forwardOnSpikes(pass, node, x, read ?? onSpikes, output, job),
      }
    const kept: Kept = { g, inC, spikes: read, ...keptForWeight(pass, node, x, inC, floats) }
    const input = floats ? { shape: x.shape, terms: [term(floats)] } : x
    return handBackWeighted(pass, node, output, {
      sizes: g,
      weight(delta, steps) {
        lowerWeightGradient(pass, node, x, kept, delta, steps)
        if (options.inspect && method.neuron === 'time' && steps > 1)
          probe(pass, node, x, g, output, delta)
      },
      parameters: layer.standardise ? () => standardiseGradient(pass, node, layer, g) : undefined,
      to: input.terms.some(wantsGradient) ? input : undefined,
      stored: inC,
      input(out, delta, steps) {
        const read = integers ? integersBack(b, integers.of, { g, steps }) : { weight }
        const job = forImages(pass, { name, g, steps, delta, ...read, out, zeros })
        convolution.emitInputGradient(b, job)
      },
    })
  },
}

/** What is computed of δ of a layer with a weight. */
interface WeightedBack {
  /** Sizes by which δ goes. */
  readonly sizes: Pick<Geometry, 'images' | 'outH' | 'outW' | 'outC'>
  /** Emits the gradient of the weight. */
  weight(delta: Buffer, steps: number): void
  /** Emits those of other parameters than the bias. */
  readonly parameters?: (() => void) | undefined
  /** What the gradient of the input is handed to, and its channels as stored. */
  readonly to: Expression | undefined
  readonly stored: number
  /** Emits it. */
  input(out: Buffer, delta: Buffer, steps: number): void
}

/** Puts the way back of a layer with a weight on the tape. Returns as `withGradient`. */
export function handBackWeighted(
  pass: Pass,
  node: GraphNode,
  output: FloatBuffer,
  { sizes, weight, parameters, to, stored, input }: WeightedBack,
): Expression {
  return gradients.withGradient(pass, node, output, (delta, steps) => {
    weight(delta, steps)
    const bias = pass.gradient(node.index, 'bias')
    if (bias) emitBiasGradient(pass.b, sizes, steps, delta, bias, pass.context.accumulate)
    parameters?.()
    if (to === undefined) return
    const name = `${node.name} input gradient`
    const emit = (out: Buffer): void => input(out, delta, steps)
    gradients.giveMadeGradient(pass, { name, from: delta, to, steps, stored, emit })
  })
}

/** What the forward records leave to the gradient of the weight. */
export interface Kept {
  readonly g: Geometry
  /** Channels of the input as stored. */
  readonly inC: number
  readonly spikes: SpikeInput | undefined
  /** The trace of the input, where the method has one. */
  readonly trace: Trace | undefined
  /** The mean over time of a current that is gone when the backward pass begins. */
  readonly mean: Pick<WeightGradient, 'input'> | undefined
}

export function keptForWeight(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  inC: number,
  floats: FloatTensor | undefined,
): Pick<Kept, 'trace' | 'mean'> {
  const { training, context } = pass
  const { presynaptic } = context.method
  const trace = training && presynaptic === 'trace' ? traceOf(pass, node, x, inC) : undefined
  // Counts give the time mean of spikes and the input is all there, but a current is gone when the
  // loop over t outside goes on.
  const passing =
    context.outer &&
    presynaptic === 'mean' &&
    x.terms.some((t) => t.tensor.kind === 'float' && !t.tensor.input)
  if (training && presynaptic === 'mean' && isLong(pass.options))
    for (const { tensor } of x.terms) if (tensor.kind === 'spikes') pass.spikeSums(tensor)
  if (!training || !passing || !floats) return { trace, mean: undefined }
  const sum = rowsOf(pass.timeSum(node, floats), inC)
  return { trace, mean: { input: { ...sum, scale: 1 / pass.rowsOfAllCalls(floats) } } }
}

/** Emits the gradient of a weight: by lists of spikes where they pay, else by dense products. */
function lowerWeightGradient(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { g, inC, spikes, trace, mean }: Kept,
  delta: Buffer,
  steps: number,
): void {
  const { b, context, options, callSteps } = pass
  const { outer, method, accumulate } = context
  const out = pass.gradient(node.index, 'weight') as Reference
  const job = { name: node.name, g, delta, out }
  const whole = { ...job, steps, accumulate }
  const products = (delta: Buffer): void => {
    const read = mean ?? presynaptic(pass, node, x, inC, steps)
    convolution.emitWeightGradient(b, { ...whole, delta, ...read })
  }
  // With the input of each step, by lists of spikes where they pay.
  const byStep = (delta: Buffer): void => {
    const here = { ...whole, delta, spikes: spikes as SpikeInput }
    // Records have one condition: where it is the step mask nothing is chosen.
    const how = { callSteps: outer ? steps : undefined, always: context.masked }
    const fits = spikes && method.presynaptic !== 'mean' && steps === callSteps
    const which = fits ? convolution.patternsBy(b, here, how) : 'many'
    const patterns = (): void => patternGradient.emit(b, here)
    convolution.emitEither(b, which, patterns, () => products(delta))
  }
  const source = method.presynaptic === 'mean' ? listSource(x) : undefined
  const lists = source && { ...job, ...source, steps: options.timeSteps }
  const which = lists ? convolution.listsBy(b, lists) : 'many'
  if (lists && which !== 'many')
    convolution.emitEither(
      b,
      which,
      () => listGradient.emit(b, lists),
      () => products(delta),
    )
  else if (trace) emitTraceGradient(pass, node, x, whole, trace, byStep)
  else byStep(delta)
}

/**
 * The float tensor that an expression is, if the weight is laid out for its channels. The image
 * itself may come through a layer that does nothing, such as dropout in evaluation; the weight then
 * expects channels as other tensors have them.
 */
function plainInput(
  { options: { graph } }: Pass,
  node: GraphNode,
  x: Expression,
): FloatTensor | undefined {
  const plain = plainFloat(x)
  return plain?.input && !readsInput(graph, node) ? undefined : plain
}

/** Whether a weight reads the input as it is stored, at all places of its layer. */
const readsInput = (graph: Graph, node: GraphNode): boolean =>
  placesOf(graph, node).every(({ inputs }) => sourceOf(graph, inputs[0]).kind === 'input')

/** The node whose values a node is or only passes on: channels are stored as they are there. */
function sourceOf(graph: Graph, index: number): GraphNode {
  let node = graph.nodes[index]
  while (node.kind === 'flatten' || node.kind === 'identity') node = graph.nodes[node.inputs[0]]
  return node
}

/** The weight as the gradient of the input reads it. */
const integersBack = (b: Pass['b'], of: IntegerForward['of'], task: Task) =>
  convolution.readsIntegers(task)
    ? { weight: ref(of.weight), weightScale: ref(of.scale), most: of.most }
    : { weight: dequantised(b, of) }

/** The levels of the spikes' sum, where these are read in their place. */
function sortedOf(
  pass: Pass,
  name: string,
  task: SpikeTask,
  ofIntegers: boolean,
): SpikeInput | undefined {
  const { g, spikes } = task
  const isSmall = task.compact && weightBytes(g) <= budgets.smallWeightBytes
  const reads = ofIntegers ? !isSmall && readsLevels(task) : readsSorted(task)
  return reads ? pass.sortedSum(name, spikes, [g.inH, g.inW]) : undefined
}

/** The whole numbers of a weight, where the plan has such and a kernel can read them here. */
function integersOf(
  { context, options }: Pass,
  node: GraphNode,
  x: Expression,
  task: SpikeTask | undefined,
): Pick<IntegerForward, 'of'> | undefined {
  if (mostOf(options, node) === undefined) return undefined
  const from = sourceOf(options.graph, node.inputs[0])
  const why = task ? convolution.whyNotIntegers(task) : `${whyNoSpikes(x)}, from ${whoOf(from)}`
  context.asked.set(node.index, why)
  const of = why ? undefined : context.integerWeight(node.index)
  return of && { of }
}

/**
 * By additions of whole numbers, whatever the number of spikes: sums are exact, and the same in any
 * engine. Returns as `forwardOnSpikes`.
 */
function forwardOnIntegers(
  pass: Pass,
  node: GraphNode,
  spikes: SpikeInput,
  output: FloatBuffer,
  job: Omit<DenseForward, 'input'> & Pick<IntegerForward, 'of'>,
): FloatTensor['moments'] {
  const { moments: withMoments = false } = pass.wanted(node)
  return pass.make(output, { layers: 1, byImages: true }, (again) =>
    convolution.emitForwardOnIntegers(pass.b, {
      ...forImages(pass, job),
      spikes,
      withMoments: withMoments && !again,
      compact: pass.options.fixed,
    }),
  )
}

/**
 * By additions for each spike, or by dense products where so many neurons fire that these are
 * faster. Returns where the moments of the output are, when they are wanted and always written.
 */
function forwardOnSpikes(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  spikes: SpikeInput,
  output: FloatBuffer,
  job: Omit<DenseForward, 'input'>,
): FloatTensor['moments'] {
  const { b, context, options } = pass
  const { name, steps } = job
  const event = (withMoments: boolean): FloatTensor['moments'] =>
    convolution.emitForwardOnSpikes(b, {
      ...forImages(pass, job),
      spikes,
      withMoments,
      compact: options.fixed,
    })
  const dense = (): undefined => {
    const written = pass.floatTensor(`${name} spikes written out`, x.shape, steps)
    pass.write(x, steps, false, written.buffer, written.stored)
    const whole = { ...forImages(pass, job), spikes, input: pass.dense(written) }
    convolution.emitForwardOnWritten(b, whole, written.buffer)
  }
  // At the single steps of a loop outside without training few neurons fire.
  const singly = !pass.training && context.outer && options.timeSteps > 1
  const limit = singly ? Number.POSITIVE_INFINITY : undefined
  const callSteps = context.outer ? steps : undefined
  const which = convolution.forwardBy(b, { ...job, spikes }, pass.training, limit, callSteps)
  if (which === 'many') return dense()
  const { moments = false } = pass.wanted(node)
  return pass.make(
    output,
    { layers: 1, byImages: true },
    (again) =>
      convolution.emitEither(b, which, (isAlone) => event(isAlone && moments && !again), dense)[0],
  )
}

/** A job for the pass's images. */
export const forImages = <J extends { readonly g: Geometry }>(pass: Pass, job: J): J => ({
  ...job,
  g: { ...job.g, images: pass.images, allImages: pass.context.images },
})

/** What the weight's gradient multiplies with: the presynaptic rate, or the input at each step. */
export function presynaptic(
  pass: Pass,
  node: GraphNode,
  source: Expression,
  inC: number,
  steps: number,
): Pick<WeightGradient, 'input' | 'writeInput'> {
  const mean = pass.context.method.presynaptic === 'mean'
  const plain = plainInput(pass, node, source)
  if (plain) {
    const input = pass.dense(plain)
    if (!mean || input.meanSteps === 1) return { input }
  }
  return writtenPresynaptic(pass, node, source, inC, steps)
}

/** The same, written out. */
export function writtenPresynaptic(
  pass: Pass,
  { name }: GraphNode,
  source: Expression,
  inC: number,
  steps: number,
): Pick<WeightGradient, 'input' | 'writeInput'> {
  const mean = pass.context.method.presynaptic === 'mean'
  const written = (): Buffer =>
    gradients.gradientBuffer(pass, `${name} presynaptic activity`, source.shape, steps, inC)
  const write = (out: Buffer): Reference => {
    pass.write(source, steps, mean, out, inC)
    return ref(out)
  }
  const all = written()
  const input = rowsOf(all, inC, steps)
  const { remade } = pass.context
  // The model's input is read where a pointer says, from its first image on.
  if (remade && source.terms.every(({ tensor }) => tensor.kind === 'spikes' || !tensor.input))
    return {
      input,
      writeInput: (first, images) =>
        images === pass.images
          ? write(all)
          : remade.inPart({ first, images }, () => write(written())),
    }
  write(all)
  return { input }
}

/** What `diagnostics` compares. */
function probe(
  pass: Pass,
  { name, index }: GraphNode,
  source: Expression,
  g: Geometry,
  output: FloatBuffer,
  delta: Buffer,
): void {
  const { b, context } = pass
  const parameter = context.parameters.find((p) => p.node === index && p.role === 'weight')
  if (!parameter) return
  const rows = gradients.gradientRows(pass, output)
  const mean = gradients.gradientTimeSum(pass, `${name} gradient over time`, delta, output, rows)
  const rate = gradients.gradientBuffer(pass, `${name} presynaptic rate`, source.shape, 1, g.inC)
  pass.write(source, 1, true, rate, g.inC)
  const bytes = parameter.layout.stored * 4
  const gradient = b.buffer(`${name} gradient of means`, bytes, 'scratch', true)
  const job = { name: `${name} means`, g, steps: 1, input: rowsOf(rate, g.inC), delta: mean }
  convolution.emitWeightGradient(b, { ...job, out: ref(gradient), accumulate: false })
  pass.probes.weights.push({ node: index, gradient })
}
