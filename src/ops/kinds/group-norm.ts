/** Group normalisation, and its gradients. */

import { groupNorm as layer } from '../../layers/index.js'
import { groupNormBackScratch, groupNormScratch } from '../../layers/sample-norm.js'
import { emitFloatSum } from '../../plan/partial-sum.js'
import {
  groupNormBackward as backwardRecord,
  groupNorm as record,
} from '../../plan/records/group-norm.js'
import { ref } from '../../plan/words.js'
import type { OpBuilder, Planned } from '../builder.js'
import { operation } from '../operation.js'
import { extentOf } from '../shapes.js'
import { channelTensor, floatTensor } from '../tensor.js'
import type { ActivityInput, Fixed } from '../types.js'

/** Options of `ops.groupNorm` and its gradient. */
export interface GroupNormOptions {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  readonly input: readonly number[]
  /** Equal parts of the channels that are normalised apart; 1: each sample as a whole. */
  readonly groups: number
  /** Added to the variance, > 0; default 1e-5. */
  readonly eps?: number
}

function forward({ b, op }: OpBuilder, options: GroupNormOptions) {
  const extent = extentOf(`${op}.input`, options.input)
  const { B, C, H, W, T } = extent
  const { groups, eps } = layer(options.groups, C, { eps: options.eps })
  const x = floatTensor(b, { name: 'input' }, extent)
  const y = floatTensor(b, { name: 'output' }, extent)
  const weight = channelTensor(b, { name: 'weight' }, C)
  const bias = channelTensor(b, { name: 'bias' }, C)
  const statistics = (name: string) => b.buffer(name, B * T * groups * 4)
  const [mean, invStd] = [statistics('mean'), statistics('invStd')]
  const sizes = {
    weight: weight.buffer,
    affinePixels: 1,
    pixels: H * W,
    stored: x.stored,
    channels: C,
    groups,
    steps: T,
  }
  b.emit(
    record,
    B,
    {
      ...sizes,
      in: x.buffer,
      out: y.buffer,
      bias: bias.buffer,
      epsilon: eps,
      share: 1 / T,
      mean,
      invStd,
    },
    { scratch: groupNormScratch(x.stored) },
  )
  return { extent, x, y, weight, bias, mean, invStd, sizes }
}

/**
 * Group normalisation, as `torch.nn.functional.group_norm`, of each time step apart: mean and
 * (biased) variance are those of one group of channels of one sample, over its height and width.
 *
 *     output = weight · (input − mean) / √(variance + eps) + bias
 *
 * Arguments of `run`: input, weight [C], bias [C]. Result: of the input's shape.
 */
export const groupNorm = operation<
  GroupNormOptions,
  Fixed<
    ActivityInput,
    [input: Float32Array, weight: Float32Array, bias: Float32Array],
    Float32Array,
    {
      /** [B][H][W][T][C] */
      readonly input: Float32Array
      /** [C] */
      readonly weight: Float32Array
      /** [C] */
      readonly bias: Float32Array
      /** As `input`. */
      readonly output: Float32Array
    }
  >
>('groupNorm', ['input', 'groups', 'eps'], (o, options): Planned => {
  const { x, y, weight, bias } = forward(o, options)
  return { inputs: [x, weight, bias], outputs: [y] }
})

/** Gradients of `ops.groupNorm`. */
export type GroupNormGradients = {
  /** Of the input, of its shape. */
  readonly inputGradient: Float32Array
  /** Of the weight, [C]. */
  readonly weightGradient: Float32Array
  /** Of the bias, [C]. */
  readonly biasGradient: Float32Array
}

/**
 * The gradients of `ops.groupNorm`, with means over what one statistic is made of:
 *
 *     inputGradient = (δ − mean δ − x̂ · mean (δ · x̂)) / √(variance + eps),  δ = weight · delta
 *
 * Arguments of `run`: delta, input, weight. Results: inputGradient, weightGradient, biasGradient.
 */
export const groupNormBackward = operation<
  GroupNormOptions,
  Fixed<
    ActivityInput,
    [delta: Float32Array, input: Float32Array, weight: Float32Array],
    GroupNormGradients,
    {
      /** [B][H][W][T][C] */
      readonly delta: Float32Array
      /** As `delta`. */
      readonly input: Float32Array
      /** [C] */
      readonly weight: Float32Array
    } & GroupNormGradients
  >
>('groupNormBackward', ['input', 'groups', 'eps'], (o, options): Planned => {
  const { b } = o
  const { extent, x, weight, mean, invStd, sizes } = forward(o, options)
  const { B, C } = extent
  const delta = floatTensor(b, { name: 'delta' }, extent)
  const inputGradient = floatTensor(b, { name: 'inputGradient' }, extent)
  const gradients = ['weightGradient', 'biasGradient'].map((name) => channelTensor(b, { name }, C))
  const partials = gradients.map(({ name }) => b.buffer(`${name} parts`, B * x.stored * 4))
  b.emit(
    backwardRecord,
    B,
    {
      ...sizes,
      delta: delta.buffer,
      out: inputGradient.buffer,
      in: x.buffer,
      mean,
      invStd,
      weightPartial: partials[0],
      biasPartial: partials[1],
    },
    { scratch: groupNormBackScratch(x.stored) },
  )
  for (const [i, { buffer }] of gradients.entries())
    emitFloatSum(b, x.stored, { partial: partials[i], splits: B, out: ref(buffer) })
  return { inputs: [delta, x, weight], outputs: [inputGradient, ...gradients] }
})
