/** Transposed convolutions: those whose gradient of the input is what they compute. */

import type { Reference } from '../../kernels/records/words.js'
import type { OfKind, Pair } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { sizeOf } from '../../network/value.js'
import type { Convolution } from '../../network/weights.js'
import { type Geometry, geometryOf, groupingOf } from '../convolution/geometry.js'
import { emitForwardOnFloats, emitTransposed, emitWeightGradient } from '../convolution/index.js'
import { type WeightGradient, withInput } from '../convolution/strategy.js'
import { storedChannels, weightLayout } from '../layout.js'
import { type LayerPlan, type Pass, term } from '../pass.js'
import type { ProgramBuilder } from '../program.js'
import { type Expression, rowsOf, wantsGradient } from '../tensors.js'
import { countValues } from './activity.js'
import { emitTraceGradient } from './encode.js'
import { plainFloat } from './materialise.js'
import * as weights from './weighted.js'
import { floatsOf } from './write-out.js'

/** A convolution as of images, transposed or not. */
export type Slid = OfKind<'conv2d'> & Omit<Convolution<Pair>, 'standardise'>

/** The convolution whose input gradient a layer computes: from its output to its input. */
const convolutionOf = ({ inChannels, outChannels, ...of }: Slid): Slid => ({
  ...of,
  inChannels: outChannels,
  outChannels: inChannels,
})

/**
 * Forward is the gradient of the input of the convolution from the output to the input; back, its
 * forward pass is the gradient of the input, and its weight's gradient has the two exchanged.
 */
export const transposed: LayerPlan<Slid> = {
  layout({ name, shape }, _graph, node) {
    if (name !== 'weight') return undefined
    const layer = node.layer as unknown as Slid
    const stored = storedChannels(layer.outChannels)
    const grouping = groupingOf({ ...convolutionOf(layer), kind: 'conv2d' }, stored)
    const taps = sizeOf(shape.slice(2))
    return weightLayout(shape, shape[0], layer.outChannels, taps, stored, grouping)
  },

  lower(pass, node, layer, x) {
    const { b, context, images } = pass
    const { name, index } = node
    const { zeros } = context.buffers
    const input = floatsOf(pass, node, x)
    const { steps, stored } = input
    const outC = storedChannels(layer.outChannels)
    const g = geometryOf(convolutionOf(layer), node.shape, outC, x.shape, images)
    const weight = context.parameter(index, 'weight') as Reference
    const bias = context.parameter(index, 'bias')
    const output = pass.floatTensor(`${name} current`, node.shape, steps)
    countValues(pass, node, 'input', x.shape, input)
    pass.make(output, { layers: 1, byImages: true }, () => {
      const job = { name, g, steps, delta: input.buffer, weight, out: output.buffer, zeros }
      emitTransposed(b, { ...weights.forImages(pass, job), bias })
    })
    const kept = weights.keptForWeight(pass, node, x, stored, input)
    return weights.handBackWeighted(pass, node, output, {
      sizes: outputOf(g),
      weight: (delta, steps) =>
        lowerWeightGradient(pass, node, x, kept, { name, g, steps, delta }, stored),
      to: x.terms.some(wantsGradient) ? { shape: x.shape, terms: [term(input)] } : undefined,
      stored,
      input(out, delta, steps) {
        const job = { name, g, steps, weight, bias: undefined, out, zeros }
        const read = rowsOf(delta, g.inC, steps)
        emitForwardOnFloats(b, { ...weights.forImages(pass, job), input: read })
      },
    })
  },
}

/** Sizes by which δ of the layer goes: the convolution's input is its output. */
const outputOf = (g: Geometry): Geometry => ({ ...g, outH: g.inH, outW: g.inW, outC: g.inC })

/** Its two factors exchanged: δ is the convolution's input, what the layer reads its δ. */
function lowerWeightGradient(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  { trace, mean }: Pick<weights.Kept, 'trace' | 'mean'>,
  { g, ...job }: Pick<WeightGradient, 'name' | 'g' | 'steps' | 'delta'>,
  inC: number,
): void {
  const { b, context } = pass
  const out = pass.gradient(node.index, 'weight') as Reference
  const whole = { ...job, g: outputOf(g), out, accumulate: context.accumulate }
  const exchanged = (b: ProgramBuilder, given: WeightGradient): void => {
    const { input, delta, ...rest } = withInput(given)
    const read = { ...rowsOf(delta, g.inC, rest.steps), scale: input.scale }
    const { buffer } = input.address as Reference
    emitWeightGradient(b, { ...rest, g, input: read, delta: buffer })
  }
  // The model's input has no address before a program runs: it is written out once more.
  const activity = plainFloat(x)?.input ? weights.writtenPresynaptic : weights.presynaptic
  const byStep = (delta: WeightGradient['delta']): void => {
    const read = mean ?? activity(pass, node, x, inC, job.steps)
    exchanged(b, { ...whole, delta, ...read })
  }
  if (trace) emitTraceGradient(pass, node, x, whole, trace, byStep, exchanged)
  else byStep(job.delta)
}
