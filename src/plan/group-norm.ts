/** Normalisation of groups of channels of each sample: group and layer normalisation. */

import type { GraphNode } from '../graph/trace.js'
import { giveTensorGradient, gradientRows, overGradient, takeGradient } from './gradients.js'
import { plainFloat } from './materialise.js'
import { emitFloatSum } from './partial-sum.js'
import { type Pass, term } from './pass.js'
import { groupNorm, groupNormBackward } from './records/group-norm.js'
import type { Expression } from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** What is normalised together. */
export interface GroupNorming {
  readonly groups: number
  readonly eps: number
  /** What has a number of its own in the parameters; pixels: of a run of them, as it is stored. */
  readonly affine: 'channel' | 'neuron' | { readonly pixels: number }
  /** Equal runs of pixels of an image that are normalised apart; 1: all together. */
  readonly runs: number
}

/** Worker scratch of the kernels, for so many channels as stored. */
export const groupNormScratch = (stored: number): number => 12 * stored
export const groupNormBackScratch = (stored: number): number => 24 * stored

export function groupNormalised(
  pass: Pass,
  node: GraphNode,
  { groups, eps, affine, runs }: GroupNorming,
  x: Expression,
): Expression {
  const { b, context, training } = pass
  const plain = plainFloat(x)
  const input = plain && !plain.input ? plain : materialise(pass, node, x)
  const { steps, stored, shape } = input
  // To the kernels a run of pixels is an image.
  const images = pass.images * runs
  const pixels = (shape[1] * shape[2]) / runs
  const output = pass.floatTensor(node.name, node.shape, steps)
  const weight = context.parameter(node.index, 'weight') || undefined
  const perPixel = typeof affine === 'object'
  const affinePixels = perPixel ? affine.pixels : affine === 'neuron' ? pixels : 1
  const sizes = { pixels, stored, channels: shape[0], groups, weight, affinePixels, perPixel }
  const averages = training && context.method.presynaptic === 'mean'
  const each = training && !averages
  const statistics = (name: string): Buffer =>
    b.buffer(`${node.name} ${name}`, images * steps * groups * 4, 'kept')
  const mean = each ? statistics('mean') : undefined
  const invStd = each ? statistics('inverse deviation') : undefined
  const average = (name: string, floats: number): Buffer | undefined =>
    averages ? pass.carried(`${node.name} mean ${name}`, images * floats * 4, 'kept') : undefined
  const xhat = average('of normalised values', pixels * stored)
  const meanInvStd = average('inverse deviation', groups)
  pass.make(output, { layers: 0, byImages: true }, (again) =>
    b.emit(
      groupNorm,
      pass.images * runs,
      {
        ...sizes,
        steps,
        in: input.buffer as Buffer,
        out: output.buffer,
        bias: context.parameter(node.index, 'bias') || undefined,
        epsilon: eps,
        share: 1 / pass.rowsOfAllCalls(input),
        ...(again ? {} : { mean, invStd, xhat, meanInvStd }),
      },
      { scratch: groupNormScratch(stored) },
    ),
  )

  pass.backward(node, () => {
    if (output.gradient.length === 0) return
    const rows = gradientRows(pass, output)
    const delta = takeGradient(pass, output, rows)
    const name = `${node.name} input gradient`
    const out = overGradient(pass, delta, { name, shape, steps: rows, stored })
    const floats = affinePixels * (perPixel ? 1 : stored)
    const partial = (role: string): Buffer | undefined =>
      weight && b.buffer(`${node.name} partial gradients of ${role}`, images * floats * 4)
    const partials = { weight: partial('weight'), bias: partial('bias') }
    b.emit(
      groupNormBackward,
      images,
      {
        ...sizes,
        steps: rows,
        delta,
        out,
        ...(averages ? { xhat, meanInvStd } : { in: input.buffer as Buffer, mean, invStd }),
        weightPartial: partials.weight,
        biasPartial: partials.bias,
      },
      { scratch: groupNormBackScratch(stored) },
    )
    for (const role of ['weight', 'bias'] as const) {
      const sums = partials[role]
      const to = context.gradient(node.index, role)
      const { accumulate } = context
      if (sums && to)
        emitFloatSum(b, floats, { partial: sums, splits: images, out: to, accumulate })
    }
    giveTensorGradient(input, out, rows)
  })
  return { shape: node.shape, terms: [term(output)] }
}
