import { fail } from '../../base/errors.js'
import { geometryOf } from '../../compile/convolution/geometry.js'
import { standardiseBlocks } from '../../compile/emit/norm.js'
import { emitFloatSum } from '../../compile/emit/sums.js'
import { type ParameterLayout, storedChannels, weightLayout } from '../../compile/layout.js'
import * as groupNorms from '../../kernels/records/group-norm.js'
import * as standards from '../../kernels/records/norm.js'
import { type Buffer, ref } from '../../kernels/records/words.js'
import * as layers from '../../nn/layers/index.js'
import type { OpBuilder } from '../builder.js'
import { changes, gives, makes, op, takes } from '../op.js'
import * as is from '../options.js'
import { showShape, sizeOf } from '../shapes.js'
import { channels, floats, weights } from '../tensor.js'

const groupNormOptions = {
  /** [B, C], [B, C, H, W], or one of these behind T. */
  input: is.activity,
  /** Equal parts of the channels that are normalised apart; 1: each sample as a whole. */
  groups: is.given<number>(),
  /** Added to the variance, > 0; default 1e-5. */
  eps: is.given<number>(),
}

/** Normalised values, and the statistics that the gradients need. */
function emitGroupNorm(
  { b, made }: OpBuilder,
  { input, groups: parts, ...of }: is.Checked<typeof groupNormOptions>,
  { bias, output: out }: { readonly bias: Buffer; readonly output: Buffer },
) {
  const { B, C, H, W, T } = input
  const { groups, eps: epsilon } = layers.groupNorm(parts as number, C, of)
  const { stored, buffer } = made.input
  const [mean, invStd] = ['mean', 'invStd'].map((name) => b.buffer(name, B * T * groups * 4))
  const shape = { pixels: H * W, stored, channels: C, groups, steps: T }
  const shared = { ...shape, weight: made.weight.buffer, affinePixels: 1, in: buffer, mean, invStd }
  b.emit(groupNorms.groupNorm, B, { ...shared, out, bias, epsilon, share: 1 / T })
  return shared
}

/**
 * Group normalisation, as `torch.nn.functional.group_norm`, of each time step apart: mean and
 * (biased) variance are those of one group of channels of one sample, over its height and width.
 *
 *     output = weight · (input − mean) / √(variance + eps) + bias
 */
export const groupNorm = op('groupNorm', {
  options: groupNormOptions,
  tensors: ({ input }) => ({
    /** Floats. */
    input: takes(floats(input)),
    /** [C] */
    weight: takes(channels(input.C)),
    /** [C] */
    bias: takes(channels(input.C)),
    /** The input's shape. */
    output: gives(floats(input)),
  }),
  emit: (o, at, of) => void emitGroupNorm(o, of, at),
})

/**
 * The gradients of `ops.groupNorm`, with means over what one statistic is made of:
 *
 *     inputGradient = (δ − mean δ − x̂ · mean (δ · x̂)) / √(variance + eps),  δ = weight · delta
 */
export const groupNormBackward = op('groupNormBackward', {
  options: groupNormOptions,
  tensors: ({ input }) => ({
    /** The gradient of the output. */
    delta: takes(floats(input)),
    /** As forward. */
    input: takes(floats(input)),
    /** [C] */
    weight: takes(channels(input.C)),
    /** Hidden: forward again. */
    output: makes(floats(input)),
    /** Hidden: 0. */
    bias: makes(channels(input.C)),
    /** For the input, in its shape. */
    inputGradient: gives(floats(input)),
    /** For the weight, [C]. */
    weightGradient: gives(channels(input.C)),
    /** For the bias, [C]. */
    biasGradient: gives(channels(input.C)),
  }),
  emit(o, at, of) {
    const { b } = o
    const { B } = of.input
    const { delta, inputGradient: out } = at
    const shared = emitGroupNorm(o, of, at)
    const { stored } = shared
    const gradients = [at.weightGradient, at.biasGradient]
    const partials = gradients.map(({ name }) => b.buffer(`${name} parts`, B * stored * 4))
    const [weightPartial, biasPartial] = partials
    b.emit(groupNorms.groupNormBackward, B, { ...shared, delta, out, weightPartial, biasPartial })
    for (const [i, buffer] of gradients.entries())
      emitFloatSum(b, stored, { partial: partials[i], splits: B, out: ref(buffer) })
  },
})

const standardOptions = {
  /** For a convolution [N, C / groups, kernelH, kernelW], for a linear layer [N, features]. */
  weight: is.shaped('N C kH kW', 'N features'),
  /** For a convolution. Default 1. */
  groups: is.integerIf(1, Number.MAX_SAFE_INTEGER, 1),
  /** A gain for each output is multiplied with. Default false: gains of 1. */
  gain: is.flag(),
  /** H·W of the image that a linear layer reads flattened. Default 1. */
  pixels: is.integerIf(1, Number.MAX_SAFE_INTEGER, 1),
  /** The weight is of a model's first layer, whose input keeps its own channels. Default false. */
  image: is.flag(),
}

/** How the weight lies, and how records go through it. */
function blocksOf(
  { weight: shape, groups, pixels, image }: is.Checked<typeof standardOptions>,
  { op }: OpBuilder,
) {
  const [N, inputs, kernelH = 1, kernelW = 1] = shape
  const isLinear = shape.length === 2
  if (!isLinear && pixels !== 1)
    fail(`${op}.pixels is of linear layers; leave it out for weight ${showShape(shape)}`)
  if (inputs % pixels !== 0)
    fail(`${op}.pixels must divide the ${inputs} features of the weight, got ${pixels}`)
  if (!(N % groups === 0 && (!isLinear || groups === 1)))
    fail(`${op}.groups must divide the ${N} outputs of a convolution's weight, got ${groups}`)
  if (!(sizeOf(shape) > N))
    fail(`${op}: weight ${showShape(shape)} needs more than one input for each output`)
  const channels = inputs / pixels
  const taps = isLinear ? pixels : kernelH * kernelW
  const inC = image ? channels * groups : storedChannels(channels * groups)
  // Only the weight's sizes matter.
  const windows = { kernelSize: [taps, 1], stride: [1, 1], padding: [0, 0] } as const
  const all = { inChannels: channels * groups, outChannels: N, groups }
  const input = [all.inChannels, 1, 1] as const
  const g = geometryOf({ kind: 'conv2d', ...windows, ...all }, input, inC, [N, 1, 1], 1)
  const { grouping } = g
  if (grouping && !grouping.depthwise && grouping.groupOut % 4 !== 0)
    fail(
      `${op}: each group of the weight must make a multiple of 4 outputs, or 1 from 1 channel, ` +
        `got ${N / groups} (weight ${showShape(shape)}, groups ${groups}); change the shape ` +
        'or the groups',
    )
  const layout = weightLayout(shape, N, channels, taps, inC, grouping)
  return { layout, N, ...standardiseBlocks(op, g, channels) }
}

const standardised = (gain: boolean, layout: ParameterLayout, N: number) => ({
  /** w */
  weight: takes(weights(layout)),
  /** [N], with `gain`. */
  gain: gain && takes(channels(N)),
})

/**
 * Scaled weight standardisation (Brock et al., arXiv 2101.08692), over the F inputs of each output:
 *
 *     y[n, k] = gain[n] · (w[n, k] − μ[n]) / √(F · var[n] + 10⁻⁴)
 *
 * with the mean μ and the unbiased variance of w[n].
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const options = { weight: [2, 8] }
 * const w = Float32Array.from({ length: 16 }, (_, i) => Math.sin(i))
 * const y = ops.weightStandardise(options, w)
 * const sum = y.subarray(0, 8).reduce((a, b) => a + b, 0)
 * const squares = y.subarray(0, 8).reduce((a, b) => a + b * b, 0)
 * console.log(Math.abs(sum) < 1e-6, squares.toFixed(2)) // mean 0, and F − 1 of F parts of 1
 * const dw = ops.weightStandardiseGradient(options, w, y.slice())
 * console.log(Math.max(...dw.map(Math.abs)) < 0.01) // the scale of w hardly changes y
 * ```
 */
export const weightStandardise = op('weightStandardise', {
  options: standardOptions,
  derive: blocksOf,
  tensors: ({ gain, layout, N }) => ({
    ...standardised(gain, layout, N),
    /** y, of the weight's shape. */
    output: gives(weights(layout)),
  }),
  emit: ({ b }, { weight, gain, output: out }, { units, sizes }) =>
    b.emit(standards.weightStandardise, units, { weight, gain, ...sizes, out }),
})

/**
 * Gradients of `weightStandardise`, with s = (F · var + 10⁻⁴)^−½, d the gradient of its result, and
 * sums and means over the inputs of an output:
 *
 *     dw = gain · s · (d − mean d − (w − μ) · s² · F / (F − 1) · Σ d (w − μ))
 *     dgain = s · Σ d (w − μ)
 */
export const weightStandardiseGradient = op('weightStandardiseGradient', {
  options: standardOptions,
  returns: 'gradient',
  when: ['gain', true, ['gradient', 'gainGradient']],
  derive: blocksOf,
  tensors: ({ gain, layout, N }) => ({
    ...standardised(gain, layout, N),
    /** That of the result, which becomes that of the weight. */
    gradient: changes(weights(layout)),
    /** For the gain, [N]. */
    gainGradient: gain && gives(channels(N)),
  }),
  emit: ({ b }, at, { units, sizes }) =>
    b.emit(standards.weightStandardiseBackward, units, { ...at, ...sizes }),
})
