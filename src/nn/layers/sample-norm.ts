/** Normalisation of each sample by itself: of groups of its channels, or of its last sizes. */

import { describe, fail } from '../../base/errors.js'
import { complete, type Rules, truth } from '../../base/rules.js'
import { handBack } from '../../compile/emit/gradients.js'
import { emitFloatSum } from '../../compile/emit/sums.js'
import { floatsOf } from '../../compile/emit/write-out.js'
import { neuronLayout, storedChannels, vectorLayout } from '../../compile/layout.js'
import { defineLayer, type Pass } from '../../compile/pass.js'
import type { Expression } from '../../compile/tensors.js'
import * as records from '../../kernels/records/group-norm.js'
import type { Buffer } from '../../kernels/records/words.js'
import { count, layerOf, type OfKind } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { type Shape, show, sizeOf, type Value } from '../../network/value.js'
import { affineParameters, epsilon } from '../../network/weights.js'

/** Options of `groupNorm` and `layerNorm`; each has a default. */
export interface SampleNormOptions {
  /** Added to the variance, > 0; default 1e-5. */
  eps?: number
  /** Whether there are parameters `weight` and `bias`; default true. */
  affine?: boolean
}

/** What layers of these normalisations have in common. */
type SampleNormalising = Readonly<Required<SampleNormOptions>>

const rules: Rules<SampleNormalising> = { eps: epsilon, affine: truth(true) }

/** What `groupNorm` makes. */
export interface GroupNorm extends OfKind<'groupNorm'>, SampleNormalising {
  /** Equal parts of the channels that are normalised apart. */
  readonly groups: number
  /** C of the input. */
  readonly channels: number
}

/** What `layerNorm` makes. */
export interface LayerNorm extends OfKind<'layerNorm'>, SampleNormalising {
  /** The last sizes of the input, over which it is normalised. */
  readonly shape: readonly number[]
}

/**
 * Group normalisation (Wu, He, ECCV 2018; PyTorch's GroupNorm), any shape with C channels: y =
 * weight · (x − mean) / √(variance + eps) + bias. Mean and (biased) variance are those of one
 * group of channels of one sample at one time step, over its height and width; in training and
 * evaluation alike. There are no running statistics.
 *
 * Parameters, unless `affine` is false: `weight` (starts at 1) and `bias` (0), each [channels].
 *
 * Methods bptt, ottt and sltt take the exact gradient of each step. Method rate, which has one
 * gradient for all steps, uses x̂, the normalised values, and 1/√(variance + eps) by their means
 * over the steps, as step mode s does for batch normalisation (Yu et al., NeurIPS 2024, App.
 * B.3). That is exact where all steps are alike.
 * @param groups parts of the channels, a divisor of `channels`; 1 normalises all channels together,
 *   `channels` each by itself (instance normalisation)
 * @param channels C of the input, an integer ≥ 1
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function groupNorm(
  groups: number,
  channels: number,
  options: SampleNormOptions = {},
  ...more: []
): GroupNorm {
  const own = complete('groupNorm', rules, options, more)
  count('groupNorm.groups', groups)
  count('groupNorm.channels', channels)
  if (channels % groups !== 0)
    fail(`groupNorm.groups must divide channels (${channels}), got ${groups}`)
  return layerOf(groupNormKind, { groups, channels, ...own })
}

/**
 * Layer normalisation (Ba et al., 2016; PyTorch's LayerNorm): y = weight · (x − mean) /
 * √(variance + eps) + bias. Mean and (biased) variance are those of one sample at one time step,
 * over its last sizes: of an image [C, H, W] all of it, each channel [H, W] or each row [W]; of a
 * series [C, L] all of it or each channel [L]; of features [F] all. In training and evaluation
 * alike.
 *
 * Parameters, unless `affine` is false (PyTorch's elementwise_affine): `weight` (starts at 1) and
 * `bias` (0), each of the shape. How gradients pass it is said at `groupNorm`.
 * @param shape the last sizes of the input, PyTorch's normalized_shape; a number stands for [W],
 *   [L] or [F]
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function layerNorm(
  shape: number | readonly number[],
  options: SampleNormOptions = {},
  ...more: []
): LayerNorm {
  const own = complete('layerNorm', rules, options, more)
  const sizes: readonly unknown[] = Array.isArray(shape) ? [...shape] : [shape]
  const isSize = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 1
  if (!(sizes.length >= 1 && sizes.length <= 3 && sizes.every(isSize)))
    fail(`layerNorm.shape must be one to three integers ≥ 1, got ${describe(shape)}`)
  return layerOf(layerNormKind, { shape: [...(sizes as readonly number[])], ...own })
}

/**
 * What has statistics of its own in an input (or output, which has its shape); undefined where the
 * shape is not that of its last sizes as PyTorch would have them.
 */
function normalisedTogether(
  shape: readonly number[],
  { shape: [c, h, w], flat }: Pick<Value, 'shape' | 'flat'>,
): 'sample' | 'channel' | 'row' | undefined {
  const is = (...sizes: number[]): boolean =>
    sizes.length === shape.length && sizes.every((n, i) => n === shape[i])
  if ((flat || h * w === 1) && is(c * h * w)) return 'sample'
  if (flat) return undefined
  if (is(c, h, w) || (h === 1 && is(c, w))) return 'sample'
  if (is(h, w)) return 'channel'
  return is(w) ? 'row' : undefined
}

const groupNormKind = defineLayer<GroupNorm>('groupNorm', {
  again: ({ groups, channels, ...options }) => groupNorm(groups, channels, options),
  output({ channels }, x, where) {
    const [c, h, w] = x.shape
    if (!(c === channels && !(x.flat && h * w > 1)))
      fail(`${where}: expects ${channels} channels, got ${show(x)}`)
    return [x.shape, x.flat]
  },
  parameters: ({ channels, affine }) => (affine ? affineParameters([channels]) : []),
  lower: (pass, node, { groups, eps }, x) =>
    groupNormalised(pass, node, { groups, eps, affine: 'channel', runs: 1 }, x),
})

/**
 * A whole sample is one group of all channels, with parameters for each neuron; channels are as
 * many groups, with parameters for each pixel; rows are groups likewise, and a row is what an image
 * is else.
 */
const layerNormKind = defineLayer<LayerNorm>('layerNorm', {
  again: ({ shape, ...options }) => layerNorm(shape, options),
  output({ shape }, x, where): readonly [Shape, boolean] {
    const [c, h, w] = x.shape
    if (normalisedTogether(shape, x) === undefined)
      fail(
        `${where}: normalises the last sizes [${shape.join(', ')}] of its input, got ${show(x)}; ` +
          (x.flat
            ? `give it [${sizeOf(x.shape)}]`
            : `give it [${c}, ${h}, ${w}], [${h}, ${w}] or [${w}]`),
      )
    return [x.shape, x.flat]
  },
  parameters: ({ shape, affine }) => (affine ? affineParameters(shape) : []),
  layout({ shape }, graph, node) {
    const input = graph.nodes[node.inputs[0]]
    if (normalisedTogether(shape, input) === 'sample') return neuronLayout(shape, input.shape)
    return vectorLayout(shape, sizeOf(shape))
  },
  lower(pass, node, { shape, eps }, x) {
    const together = normalisedTogether(shape, node)
    if (together === 'sample')
      return groupNormalised(pass, node, { groups: 1, eps, affine: 'neuron', runs: 1 }, x)
    const [groups, height] = node.shape
    const affine = { pixels: storedChannels(sizeOf(shape)) }
    const runs = together === 'row' ? height : 1
    return groupNormalised(pass, node, { groups, eps, affine, runs }, x)
  },
})

/** What is normalised together. */
interface GroupNorming {
  readonly groups: number
  readonly eps: number
  /** What has a number of its own in the parameters; pixels: of a run of them, as it is stored. */
  readonly affine: 'channel' | 'neuron' | { readonly pixels: number }
  /** Equal runs of pixels of an image that are normalised apart; 1: all together. */
  readonly runs: number
}

function groupNormalised(
  pass: Pass,
  node: GraphNode,
  { groups, eps, affine, runs }: GroupNorming,
  x: Expression,
): Expression {
  const { b, context, training } = pass
  const input = floatsOf(pass, node, x)
  const { steps, stored, shape } = input
  // To the kernels a run of pixels is an image.
  const images = pass.images * runs
  const pixels = (shape[1] * shape[2]) / runs
  const output = pass.floatTensor(node.name, node.shape, steps)
  const weight = context.parameter(node.index, 'weight')
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
  const bias = context.parameter(node.index, 'bias')
  const numbers = { epsilon: eps, share: 1 / pass.rowsOfAllCalls(input) }
  pass.make(output, { layers: 0, byImages: true }, (again) => {
    const found = again ? {} : { mean, invStd, xhat, meanInvStd }
    const places = { in: input.buffer, out: output.buffer, bias, ...found }
    b.emit(records.groupNorm, pass.images * runs, { ...sizes, steps, ...places, ...numbers })
  })

  return handBack(pass, node, output, input, true, (delta, out, rows) => {
    const floats = affinePixels * (perPixel ? 1 : stored)
    const partial = (role: string): Buffer | undefined =>
      weight && b.buffer(`${node.name} partial gradients of ${role}`, images * floats * 4)
    const partials = { weight: partial('weight'), bias: partial('bias') }
    const normalised = averages ? { xhat, meanInvStd } : { in: input.buffer, mean, invStd }
    const sums = { weightPartial: partials.weight, biasPartial: partials.bias }
    const from = { ...sizes, steps: rows, delta, out }
    b.emit(records.groupNormBackward, images, { ...from, ...normalised, ...sums })
    const sum = { splits: images, accumulate: context.accumulate }
    for (const role of ['weight', 'bias'] as const) {
      const [partial, out] = [partials[role], pass.gradient(node.index, role)]
      if (partial && out) emitFloatSum(b, floats, { ...sum, partial, out })
    }
  })
}
