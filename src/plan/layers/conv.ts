/** Convolutions and linear layers, which are convolutions whose kernel covers their whole input. */

import { Op, StandardiseWord } from '../../../assembly/opcodes.js'
import { expect } from '../../errors.js'
import type { Graph, GraphNode } from '../../graph/trace.js'
import type { Conv2d, Linear } from '../../nn/layers/index.js'
import { chooseBySpikes, spikesForDense, spikesForLists } from '../choice.js'
import {
  emitBiasGradient,
  emitDense,
  emitInputGradient,
  emitListGradient,
  emitWeightGradient,
  type Geometry,
  geometryOf,
  listSource,
} from '../convolution.js'
import {
  giveGradient,
  gradientBuffer,
  gradientRows,
  gradientTimeSum,
  takeGradient,
} from '../gradients.js'
import { blockWidth, storedChannels, weightLayout, weightRows } from '../layout.js'
import { plainFloat, spikeSources } from '../materialise.js'
import { type FloatBuffer, type Pass, perUnit } from '../pass.js'
import { trace as traceRecord } from '../records/sums.js'
import { emitSpikes, spikesFit } from '../spike-convolution.js'
import { type DenseInput, type Expression, type FloatTensor, noPool } from '../tensors.js'
import { type Buffer, f32, type Reference, ref, type Words } from '../words.js'
import type { LayerPlan } from './layer.js'
import { materialise } from './sum.js'

const conv: LayerPlan<Conv2d | Linear> = {
  layout({ name, shape }, graph, node) {
    if (name !== 'weight') return undefined
    const [c, h, w] = graph.nodes[node.inputs[0]].shape
    const taps = shape.length > 2 ? shape[2] * shape[3] : h * w
    return weightLayout(
      shape,
      shape[0],
      c,
      taps,
      isInput(graph, node.inputs[0]) ? c : storedChannels(c),
    )
  },

  lower(pass, node, layer, x) {
    const { b, context, options, training } = pass
    const { callSteps, buffers, outer, method, accumulate } = context
    const { timeSteps } = options
    const { name, index } = node
    const spikes = spikeSources(x)
    let dense = plainFloat(x)
    const inC = dense ? dense.stored : storedChannels(x.shape[0])
    const geometry = geometryOf(layer, x.shape, inC, node.shape, pass.images)
    const weight = standardised(pass, node, layer, geometry)
    const bias = context.parameter(index, 'bias')
    let input = x
    let output: FloatBuffer
    if (spikes && spikesFit(geometry)) {
      const current = pass.floatTensor(`${name} current`, node.shape, callSteps)
      output = current
      const event = (withMoments: boolean): FloatTensor['moments'] =>
        emitSpikes(b, geometry, callSteps, spikes, current.buffer, weight, bias, name, withMoments)
      const limit = spikesForDense(geometry, callSteps, spikes, outer ? timeSteps : 1)
      const choice = chooseBySpikes(b, spikes.sources, limit, name)
      if (!choice) output = { ...current, moments: event(pass.wanted(node).moments ?? false) }
      else {
        b.when(choice.few, () => void event(false))
        b.when(choice.many, () => {
          const written = pass.floatTensor(`${name} spikes written out`, x.shape, callSteps)
          pass.write(x, callSteps, false, written.buffer, written.stored)
          emitDense(
            b,
            geometry,
            callSteps,
            pass.dense(written),
            current.buffer,
            weight,
            bias,
            buffers.zeros,
          )
        })
      }
    } else {
      if (!dense) {
        dense = materialise(pass, node, x)
        input = { shape: x.shape, terms: [{ tensor: dense, pool: noPool, scale: 1 }] }
      }
      output = pass.floatTensor(`${name} current`, node.shape, dense.steps)
      emitDense(
        b,
        geometry,
        dense.steps,
        pass.dense(dense),
        output.buffer,
        weight,
        bias,
        buffers.zeros,
      )
    }
    const trace =
      training && method.presynaptic === 'trace' ? emitTrace(pass, node, x, geometry) : undefined
    // Counts give the time mean of spikes and the input is all there, but a current is gone when
    // the loop over t outside goes on.
    const passing =
      outer &&
      method.presynaptic === 'mean' &&
      x.terms.some((t) => t.tensor.kind === 'float' && !t.tensor.input)
    const inputSum = training && passing && dense ? pass.timeSum(node, dense) : undefined

    pass.backward(node, () => {
      if (output.gradient.length === 0) return
      const steps = gradientRows(pass, output)
      const delta = takeGradient(pass, output, steps)
      const weightGradient = context.gradient(index, 'weight') as Reference
      const products = (): void => {
        const read = trace
          ? row(trace, inC)
          : inputSum
            ? { ...row(inputSum, inC), scale: 1 / timeSteps }
            : presynaptic(pass, name, x, inC, steps)
        emitWeightGradient(b, geometry, steps, read, delta, weightGradient, accumulate, name)
      }
      const lists = method.presynaptic === 'mean' ? listSource(geometry, x, timeSteps) : undefined
      const choice =
        lists &&
        chooseBySpikes(
          b,
          [lists.tensor],
          spikesForLists(geometry, lists.tensor, timeSteps, lists.active),
          name,
        )
      if (lists && choice) {
        b.when(choice.few, () =>
          emitListGradient(b, geometry, timeSteps, lists, delta, weightGradient, name),
        )
        b.when(choice.many, products)
      } else products()
      if (options.inspect && steps > 1) probe(pass, node, x, geometry, output, delta)
      const biasGradient = context.gradient(index, 'bias')
      if (biasGradient) emitBiasGradient(b, geometry, steps, delta, biasGradient, accumulate)
      if (layer.standardise)
        pass.whenComplete(node, () =>
          b.emitWords(
            Op.WeightStandardiseBackward,
            geometry.outC / blockWidth(node.shape[0]),
            standardiseWords(pass, node, layer, geometry, 0),
          ),
        )
      if (input.terms.every((term) => term.tensor.kind === 'float' && term.tensor.input)) return
      const out = gradientBuffer(pass, `${name} input gradient`, input.shape, steps, inC)
      emitInputGradient(b, geometry, steps, delta, weight, out, buffers.zeros, name)
      giveGradient(input, out, steps)
    })
    return { shape: node.shape, terms: [{ tensor: output, pool: noPool, scale: 1 }] }
  },
}

export const conv2d: LayerPlan<Conv2d> = { ...conv, pixels: ({ kernelSize }) => kernelSize[1] }
export const linear: LayerPlan<Linear> = conv

/** Whether a node only passes the input on: its channels are stored as they are. */
function isInput(graph: Graph, index: number): boolean {
  const { kind, inputs } = graph.nodes[index]
  return (
    kind === 'input' || ((kind === 'flatten' || kind === 'identity') && isInput(graph, inputs[0]))
  )
}

/** One row for each pixel. */
const row = (buffer: Buffer, inC: number): DenseInput => ({
  address: ref(buffer),
  indirect: false,
  pixelBytes: inC * 4,
  stepBytes: 0,
  loopBytes: 0,
  meanSteps: 1,
})

/** What the weight's gradient multiplies with: the presynaptic rate, or the input at each step. */
function presynaptic(
  pass: Pass,
  name: string,
  source: Expression,
  inC: number,
  steps: number,
): DenseInput {
  const mean = pass.context.method.presynaptic === 'mean'
  const plain = plainFloat(source)
  if (plain) {
    const input = pass.dense(plain)
    if (!mean || input.meanSteps === 1) return input
  }
  const written = gradientBuffer(pass, `${name} presynaptic activity`, source.shape, steps, inC)
  pass.write(source, steps, mean, written, inC)
  return { ...row(written, inC), pixelBytes: steps * inC * 4, stepBytes: steps > 1 ? inC * 4 : 0 }
}

/** The weight as the kernels read it: the parameter, or its standardised copy. */
function standardised(
  pass: Pass,
  node: GraphNode,
  layer: Conv2d | Linear,
  geometry: Geometry,
): Reference {
  if (!layer.standardise) return pass.context.parameter(node.index, 'weight') as Reference
  const { outC, kernel, inC } = geometry
  const out = pass.b.buffer(
    `${node.name} standardised weight`,
    outC * weightRows(kernel[0] * kernel[1], inC) * 4,
  )
  pass.b.emitWords(
    Op.WeightStandardise,
    outC / blockWidth(node.shape[0]),
    standardiseWords(pass, node, layer, geometry, ref(out)),
  )
  return ref(out)
}

function standardiseWords(
  { context }: Pass,
  node: GraphNode,
  layer: Conv2d | Linear,
  geometry: Geometry,
  out: Reference | 0,
): Words {
  const taps = geometry.kernel[0] * geometry.kernel[1]
  return {
    [StandardiseWord.Weight]: context.parameter(node.index, 'weight'),
    [StandardiseWord.Out]: out,
    [StandardiseWord.Gain]: context.parameter(node.index, 'gain'),
    [StandardiseWord.Taps]: taps,
    [StandardiseWord.InC]: geometry.inC,
    [StandardiseWord.RealC]: layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / taps,
    [StandardiseWord.OutC]: geometry.outC,
    [StandardiseWord.BlockWidth]: blockWidth(node.shape[0]),
    [StandardiseWord.KRows]: weightRows(taps, geometry.inC),
    [StandardiseWord.Epsilon]: f32(1e-4),
    [StandardiseWord.Gradient]: context.gradient(node.index, 'weight'),
    [StandardiseWord.GainGradient]: context.gradient(node.index, 'gain'),
  }
}

/** Trace of a layer's input; none for the first layer, which reads the raw frame. */
function emitTrace(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  geometry: Geometry,
): Buffer | undefined {
  const { b, images } = pass
  const [, h, w] = input.shape
  const spikes = input.terms.flatMap(({ tensor }) => (tensor.kind === 'spikes' ? [tensor] : []))
  if (input.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return undefined
  expect(
    spikes.length === input.terms.length,
    () =>
      `${node.name} (${node.kind}): method 'ottt' traces the spikes that a layer reads, this one reads currents; put a neuron layer before it or use 'sltt'`,
  )
  const [{ lambda }] = spikes
  expect(
    spikes.every((tensor) => tensor.lambda === lambda),
    () =>
      `${node.name} (${node.kind}): method 'ottt' needs one tau for all neurons whose spikes a layer adds up; give them the same tau or use 'sltt'`,
  )
  const bytes = images * h * w * geometry.inC * 4
  const now = b.buffer(`${node.name} presynaptic spikes`, bytes)
  pass.write(input, 1, false, now, geometry.inC)
  const trace = b.buffer(`${node.name} trace`, bytes, 'kept', true)
  const pixels = perUnit(images * h * w, geometry.inC)
  b.emit(traceRecord, Math.ceil((images * h * w) / pixels), {
    in: now,
    out: trace,
    pixels: images * h * w,
    channels: geometry.inC,
    pixelsPerUnit: pixels,
    lambda,
  })
  return trace
}

/** What `diagnostics` compares. */
function probe(
  pass: Pass,
  node: GraphNode,
  source: Expression,
  geometry: Geometry,
  output: FloatTensor,
  delta: Buffer,
): void {
  const { b, context } = pass
  const { name, index } = node
  const parameter = context.parameters.find((p) => p.node === index && p.role === 'weight')
  if (!parameter) return
  const { inC } = geometry
  const mean = gradientTimeSum(
    pass,
    `${name} gradient over time`,
    delta,
    output.shape,
    gradientRows(pass, output),
    output.stored,
  )
  const rate = gradientBuffer(pass, `${name} presynaptic rate`, source.shape, 1, inC)
  pass.write(source, 1, true, rate, inC)
  const gradient = b.buffer(
    `${name} gradient of means`,
    parameter.layout.stored * 4,
    'scratch',
    true,
  )
  emitWeightGradient(b, geometry, 1, row(rate, inC), mean, ref(gradient), false, `${name} means`)
  pass.probes.weights.push({ node: index, gradient })
}
