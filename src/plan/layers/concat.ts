/** Values joined along their channels. Single tensors of spikes stay spikes. */

import type { GraphNode } from '../../graph/trace.js'
import { giveTensorGradient, gradientBuffer, takeGradient } from '../gradients.js'
import { emitJoin, emitJoinSpikes, emitSplit, partsOf } from '../join.js'
import { plainFloat } from '../materialise.js'
import { type Pass, term } from '../pass.js'
import { type Expression, type FloatTensor, isIdentity, type SpikeTensor } from '../tensors.js'
import type { Buffer } from '../words.js'
import { materialise } from '../write-out.js'
import type { LayerPlan } from './layer.js'

export const concat: LayerPlan<never> = {
  lower(pass, node, _layer, ...inputs) {
    const spikes = spikesOf(inputs)
    return spikes ? joinedSpikes(pass, node, spikes) : joinedFloats(pass, node, inputs)
  },
}

interface Sources {
  readonly tensors: readonly SpikeTensor[]
  readonly scale: number
}

/** Tensors of spikes alone, times the same factor. */
function spikesOf(inputs: readonly Expression[]): Sources | undefined {
  const tensors: SpikeTensor[] = []
  const scale = inputs[0].terms[0].scale
  for (const { terms } of inputs) {
    const [{ tensor, pool, scale: own }] = terms
    if (terms.length > 1 || tensor.kind !== 'spikes' || !isIdentity(pool) || own !== scale)
      return undefined
    tensors.push(tensor)
  }
  return { tensors, scale }
}

function joinedSpikes(pass: Pass, node: GraphNode, { tensors, scale }: Sources): Expression {
  const { images, callSteps: steps } = pass
  // Traces of neurons with different leaks have none in common.
  const [{ lambda }] = tensors
  const common = tensors.every((tensor) => tensor.lambda === lambda) ? lambda : Number.NaN
  const output = pass.spikeTensor(node.name, node.shape, common)
  const counted = <T extends SpikeTensor>(of: T): T =>
    pass.countsSpikes ? of : { ...of, counts: undefined }
  const parts = partsOf(tensors.map(counted), node.flat)
  emitJoinSpikes(pass.b, { ...counted(output), images, steps }, parts)
  pass.backward(node, () => back(pass, node, output, tensors))
  return { shape: node.shape, terms: [term(output, scale)] }
}

function joinedFloats(pass: Pass, node: GraphNode, inputs: readonly Expression[]): Expression {
  const tensors = inputs.map((x) => {
    const plain = plainFloat(x)
    return plain && !plain.input ? plain : materialise(pass, node, x)
  }) as (FloatTensor & { readonly buffer: Buffer })[]
  const steps = tensors.reduce((most, tensor) => Math.max(most, tensor.steps), 1)
  const output = pass.floatTensor(node.name, node.shape, steps)
  pass.make(output, { layers: 0, byImages: true }, () => {
    const { b, images } = pass
    emitJoin(b, { ...output, images, steps, out: output.buffer }, partsOf(tensors, node.flat))
  })
  pass.backward(node, () => back(pass, node, output, tensors))
  return { shape: node.shape, terms: [term(output)] }
}

/** Hands each its part of the gradient. */
function back(
  pass: Pass,
  node: GraphNode,
  output: FloatTensor | SpikeTensor,
  inputs: readonly (FloatTensor | SpikeTensor)[],
): void {
  if (output.gradient.length === 0) return
  const { b, images, gradientSteps } = pass
  const steps = output.kind === 'float' ? Math.min(gradientSteps, output.steps) : gradientSteps
  const delta = takeGradient(pass, output, steps)
  const from = { images, shape: output.shape, stored: output.stored, steps, in: delta }
  partsOf(inputs, node.flat).forEach((part, i) => {
    const name = `${node.name} gradient of part ${i}`
    const out = gradientBuffer(pass, name, part.shape, steps, part.stored)
    emitSplit(b, from, part, out)
    giveTensorGradient(inputs[i], out, steps)
  })
}
