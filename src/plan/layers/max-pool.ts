/** Max pooling, of one layer's spikes or of currents. */

import { Op, PoolWord } from '../../../assembly/opcodes.js'
import type { GraphNode } from '../../graph/trace.js'
import type { MaxPool2d } from '../../nn/layers/index.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { type Pass, perUnit, term } from '../pass.js'
import { type Expression, type FloatTensor, isIdentity, type SpikeTensor } from '../tensors.js'
import { type Buffer, ref, type Words } from '../words.js'
import type { LayerPlan } from './layer.js'
import { materialise } from './sum.js'

export const maxPool2d: LayerPlan<MaxPool2d> = {
  lower(pass, node, layer, x) {
    // One layer's spikes stay spikes; anything else is pooled as the sum that it is.
    const [{ tensor, pool, scale }] = x.terms
    if (x.terms.length > 1 || tensor.kind === 'float' || !isIdentity(pool) || scale <= 0)
      return poolFloats(pass, node, layer, x)
    const { b, context, images } = pass
    const output = pass.spikeTensor(node.name, node.shape, tensor.lambda)
    const pixels = images * node.shape[1] * node.shape[2]
    const perStep = context.method.presynaptic !== 'mean'
    const choice = pass.training
      ? b.buffer(
          `${node.name} choice`,
          pixels * tensor.stored * (perStep ? context.gradientSteps : 1),
          'kept',
        )
      : undefined
    const words = windowWords(pass, layer, tensor.stored, perStep)
    const pixelsPerUnit = perUnit(pixels, tensor.stored * 4)
    b.emitWords(Op.MaxPool, Math.ceil(pixels / pixelsPerUnit), {
      ...words,
      [PoolWord.Out]: ref(output.masks),
      [PoolWord.OutCounts]: ref(output.counts),
      [PoolWord.Choice]: choice ? ref(choice) : 0,
      [PoolWord.In]: ref(tensor.masks),
      [PoolWord.InCounts]: ref(tensor.counts),
      [PoolWord.OutPlaneBytes]: pixels * tensor.stored,
      [PoolWord.InPlaneBytes]: images * tensor.shape[1] * tensor.shape[2] * tensor.stored,
      [PoolWord.T]: context.callSteps,
      ...extentWords(node, tensor),
      [PoolWord.PixelsPerUnit]: pixelsPerUnit,
      [PoolWord.Loop]: context.outer ? 1 : 0,
    })
    if (choice)
      pass.backward(node, () =>
        route(pass, node, tensor, output, choice, words, context.gradientSteps),
      )
    return { shape: node.shape, terms: [term(output, scale)] }
  },
}

/**
 * Of currents: where time means are differentiated, the gradient goes where the mean is largest.
 */
function poolFloats(pass: Pass, node: GraphNode, layer: MaxPool2d, x: Expression): Expression {
  const { b, context, images, training } = pass
  const plain = plainFloat(x)
  const tensor = plain && !plain.input ? plain : materialise(pass, node, x)
  const { steps, stored } = tensor
  const mean = context.method.presynaptic === 'mean'
  const output = pass.floatTensor(node.name, node.shape, steps)
  const pixels = images * node.shape[1] * node.shape[2]
  const choice = training
    ? b.buffer(`${node.name} choice`, pixels * stored * (mean ? 1 : steps), 'kept')
    : undefined
  const chooser =
    training && mean && (context.outer || steps > 1) ? pass.timeSum(node, tensor) : undefined
  const words = windowWords(pass, layer, stored, !mean)
  const pixelsPerUnit = perUnit(pixels, stored * steps)
  b.emitWords(Op.MaxPoolFloats, Math.ceil(pixels / pixelsPerUnit), {
    ...words,
    [PoolWord.Out]: ref(output.buffer),
    [PoolWord.Choice]: choice ? ref(choice) : 0,
    [PoolWord.In]: ref(tensor.buffer as Buffer),
    [PoolWord.InCounts]: chooser ? ref(chooser) : 0,
    [PoolWord.T]: steps,
    ...extentWords(node, tensor),
    [PoolWord.PixelsPerUnit]: pixelsPerUnit,
  })
  if (choice)
    pass.backward(node, () =>
      route(pass, node, tensor, output, choice, words, gradientRows(pass, tensor)),
    )
  return { shape: node.shape, terms: [term(output)] }
}

/** Sends each gradient to the place that was chosen. */
function route<T extends FloatTensor | SpikeTensor>(
  pass: Pass,
  node: GraphNode,
  input: T,
  output: T,
  choice: Buffer,
  words: Words,
  steps: number,
): void {
  if (output.gradient.length === 0) return
  const delta = takeGradient(pass, output, steps)
  const out = gradientBuffer(pass, `${node.name} input gradient`, input.shape, steps, input.stored)
  const pixels = pass.images * input.shape[1] * input.shape[2]
  const pixelsPerUnit = perUnit(pixels, input.stored * steps)
  pass.b.emitWords(Op.MaxPoolBackward, Math.ceil(pixels / pixelsPerUnit), {
    ...words,
    [PoolWord.Out]: ref(out),
    [PoolWord.In]: ref(delta),
    [PoolWord.Choice]: ref(choice),
    [PoolWord.T]: steps,
    ...extentWords(input, output),
    [PoolWord.PixelsPerUnit]: pixelsPerUnit,
  })
  giveTensorGradient(input, out, steps)
}

type Extent = { readonly shape: readonly [number, number, number] }

const extentWords = (to: Extent, from: Extent): Words => ({
  [PoolWord.H]: to.shape[1],
  [PoolWord.W]: to.shape[2],
  [PoolWord.SourceH]: from.shape[1],
  [PoolWord.SourceW]: from.shape[2],
})

const windowWords = (
  pass: Pass,
  { kernelSize, stride, padding }: MaxPool2d,
  stored: number,
  perStep: boolean,
): Words => ({
  [PoolWord.KernelH]: kernelSize[0],
  [PoolWord.KernelW]: kernelSize[1],
  [PoolWord.StrideH]: stride[0],
  [PoolWord.StrideW]: stride[1],
  [PoolWord.PadH]: padding[0],
  [PoolWord.PadW]: padding[1],
  [PoolWord.Images]: pass.images,
  [PoolWord.C]: stored,
  [PoolWord.ChoicePerStep]: perStep ? 1 : 0,
})
