/** Max pooling, of one layer's spikes or of currents. */

import type { GraphNode } from '../../graph/trace.js'
import type { MaxPool2d } from '../../nn/layers/index.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from '../gradients.js'
import { plainFloat } from '../materialise.js'
import { type Pass, perUnit, term } from '../pass.js'
import { maxPool, maxPoolBackward, maxPoolFloats } from '../records/pool.js'
import { type Expression, type FloatTensor, isIdentity, type SpikeTensor } from '../tensors.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

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
          pixels * tensor.stored * (perStep ? pass.gradientSteps : 1),
          'kept',
        )
      : undefined
    const fields = windowFields(pass, layer, tensor.stored)
    const pixelsPerUnit = perUnit(pixels, tensor.stored * 4)
    b.emit(maxPool, Math.ceil(pixels / pixelsPerUnit), {
      ...fields,
      ...extentFields(node, tensor),
      in: tensor.masks,
      inCounts: choice && !perStep ? tensor.counts : undefined,
      inPlaneBytes: images * tensor.shape[1] * tensor.shape[2] * tensor.stored,
      out: output.masks,
      counts: output.counts,
      planeBytes: pixels * tensor.stored,
      choice,
      choicePerStep: perStep,
      steps: pass.callSteps,
      pixelsPerUnit,
      loop: context.outer,
    })
    if (choice)
      pass.backward(node, () =>
        route(pass, node, tensor, output, fields, { choice, perStep }, pass.gradientSteps),
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
  const fields = windowFields(pass, layer, stored)
  const pixelsPerUnit = perUnit(pixels, stored * steps)
  pass.make(output, { layers: 0, byImages: false }, (again) =>
    b.emit(maxPoolFloats, Math.ceil(pixels / pixelsPerUnit), {
      ...fields,
      ...extentFields(node, tensor),
      in: tensor.buffer as Buffer,
      out: output.buffer,
      choice: again ? undefined : choice,
      chooser: again ? undefined : chooser,
      steps,
      pixelsPerUnit,
    }),
  )
  if (choice)
    pass.backward(node, () =>
      route(
        pass,
        node,
        tensor,
        output,
        fields,
        { choice, perStep: !mean },
        gradientRows(pass, tensor),
      ),
    )
  return { shape: node.shape, terms: [term(output)] }
}

/** Sends each gradient to the place that was chosen. */
function route<T extends FloatTensor | SpikeTensor>(
  pass: Pass,
  node: GraphNode,
  input: T,
  output: T,
  window: ReturnType<typeof windowFields>,
  { choice, perStep }: { readonly choice: Buffer; readonly perStep: boolean },
  steps: number,
): void {
  if (output.gradient.length === 0) return
  const delta = takeGradient(pass, output, steps)
  const out = gradientBuffer(pass, `${node.name} input gradient`, input.shape, steps, input.stored)
  const pixels = pass.images * input.shape[1] * input.shape[2]
  const pixelsPerUnit = perUnit(pixels, input.stored * steps)
  pass.b.emit(maxPoolBackward, Math.ceil(pixels / pixelsPerUnit), {
    ...window,
    ...extentFields(input, output),
    in: delta,
    choice,
    choicePerStep: perStep,
    out,
    steps,
    pixelsPerUnit,
  })
  giveTensorGradient(input, out, steps)
}

type Extent = { readonly shape: readonly [number, number, number] }

const extentFields = (to: Extent, from: Extent) => ({
  height: to.shape[1],
  width: to.shape[2],
  sourceH: from.shape[1],
  sourceW: from.shape[2],
})

const windowFields = (pass: Pass, { kernelSize, stride, padding }: MaxPool2d, stored: number) => ({
  images: pass.images,
  channels: stored,
  kernelH: kernelSize[0],
  kernelW: kernelSize[1],
  strideH: stride[0],
  strideW: stride[1],
  padH: padding[0],
  padW: padding[1],
})
