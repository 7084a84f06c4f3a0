/** Convolutions of images, and of series: those of images of one row. Transposed ones too. */

import { checkOptions, fail } from '../../base/errors.js'
import { type Slid, transposed } from '../../compile/emit/transposed.js'
import { weighted } from '../../compile/emit/weighted.js'
import { defineLayer, type LayerPlan } from '../../compile/pass.js'
import {
  count,
  type Layer,
  layerOf,
  type OfKind,
  type Pair,
  type ParameterSpec,
  type Size,
} from '../../network/kind.js'
import { show, sizeOf, type Value } from '../../network/value.js'
import {
  type Convolution,
  channelGroups,
  convolutionParameters,
  expectChannels,
  expectFeatures,
  type LinearOptions,
  type Weighted,
  weightOptions,
  weightParameters,
  weights,
} from '../../network/weights.js'
import { dilationOf, images, type Space, series, spanOf, windows } from '../../network/window.js'

/** What `conv2d` makes; fields as in `ConvOptions`, completed. */
export interface Conv2d extends OfKind<'conv2d'>, Convolution<Pair> {}

/** What `conv1d` makes; fields as in `Conv1dOptions`, completed. */
export interface Conv1d extends OfKind<'conv1d'>, Convolution<number> {}

/** Options of `conv2d`; each has a default. `S`: sizes of images; of series a number. */
export interface ConvOptions<S extends Size = Size> extends LinearOptions {
  /** Pixels between two places of the kernel, ≥ 1; default 1. */
  stride?: S
  /** Rows and columns of zeros added on every side, ≥ 0; default 0. */
  padding?: S
  /** Pixels from one place of the kernel to the next, ≥ 1; 1: neighbours. Default 1. */
  dilation?: S
  /**
   * Equal parts of the channels: outputs of a part read the inputs of the same part alone. It
   * divides `inChannels` and `outChannels`; as many groups as input channels make a depthwise
   * convolution. With `standardise`, groups need a multiple of 4 output channels each, unless each
   * has one input and one output. Default 1.
   */
  groups?: number
}

type Sizes = 'stride' | 'padding' | 'dilation'

/** Checks and completes what all convolutions have. */
function sliding<In extends Size, S extends Size>(
  name: string,
  [inChannels, outChannels]: readonly [number, number],
  given: In,
  options: { groups?: number } & Partial<Record<Sizes, In | number>>,
  { size }: Space<S, In>,
) {
  const sized = (of: Sizes, least: number): S =>
    size(`${name}.${of}`, (options[of] === undefined ? least : options[of]) as In, least)
  const kernelSize = size(`${name}.kernelSize`, given, 1)
  const groups = channelGroups(name, inChannels, outChannels, options.groups)
  const sizes = { stride: sized('stride', 1), padding: sized('padding', 0) }
  const fields = { inChannels, outChannels, kernelSize, ...sizes }
  return { ...fields, ...dilationOf(sized('dilation', 1)), groups }
}

/** Checks and completes a convolution. */
function convolution<In extends Size, S extends Size>(
  name: string,
  channels: readonly [number, number],
  given: In,
  options: LinearOptions & { groups?: number } & Partial<Record<Sizes, In | number>>,
  space: Space<S, In>,
): Convolution<S> {
  checkOptions(name, options, ['stride', 'padding', 'dilation', 'groups', ...weightOptions])
  const own = sliding(name, channels, given, options, space)
  const inputs = (channels[0] / own.groups) * sizeOf([own.kernelSize].flat())
  return { ...own, ...weights(name, inputs, options) }
}

/**
 * 2-D convolution (a cross-correlation, as in PyTorch): [inChannels, H, W] → [outChannels, H', W']
 * with H' = ⌊(H + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1, W' alike. Parameters
 * `weight` [outChannels, inChannels / groups, kernel height, kernel width] and `bias`
 * [outChannels]. Both start as PyTorch's, within ±1/√(inChannels / groups · kernel height · kernel
 * width).
 *
 * With `groups`, weights and products are 1/groups of those without. A depthwise convolution with a
 * pointwise one behind it:
 *
 * ```ts
 * sequential(
 *   conv2d(64, 64, 3, { padding: 1, groups: 64, bias: false }),
 *   conv2d(64, 128, 1, { bias: false }),
 *   batchNorm2d(128),
 *   lif(),
 * )
 * ```
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize height and width in pixels, or one number for both
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, or an option is unknown
 */
export function conv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options: ConvOptions = {},
  ...more: []
): Conv2d {
  const channels = [inChannels, outChannels] as const
  return layerOf(conv2dKind, convolution('conv2d', channels, kernelSize, options, images), more)
}

/** Options of `conv1d`; each has a default. Pixels are places of the series. */
export interface Conv1dOptions extends ConvOptions<number> {}

/**
 * Convolution of a series (a cross-correlation, as in PyTorch): [inChannels, L] → [outChannels, L']
 * with L' = ⌊(L + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1. Parameters `weight`
 * [outChannels, inChannels / groups, kernel] and `bias` [outChannels], which start as PyTorch's. A
 * series is an input [C, L] of `compile`.
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize places of the kernel, an integer ≥ 1
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, or an option is unknown
 */
export function conv1d(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: Conv1dOptions = {},
  ...more: []
): Conv1d {
  const channels = [inChannels, outChannels] as const
  return layerOf(conv1dKind, convolution('conv1d', channels, kernelSize, options, series), more)
}

/** What transposed convolutions have in common; `S`: a size, of an image or of a series. */
interface Transposed<S> extends Omit<Convolution<S>, 'standardise' | 'weights'> {
  /** Rows and columns more at the end of the output. */
  readonly outputPadding: S
}

/** What `convTranspose2d` makes; fields as in `ConvTransposeOptions`, completed. */
export interface ConvTranspose2d extends OfKind<'convTranspose2d'>, Transposed<Pair> {}

/** What `convTranspose1d` makes; fields as in `ConvTranspose1dOptions`, completed. */
export interface ConvTranspose1d extends OfKind<'convTranspose1d'>, Transposed<number> {}

/** Options of both; each has a default. `S`: a size. */
interface TransposedOptions<S extends Size> extends Omit<LinearOptions, 'standardise' | 'weights'> {
  /** Pixels of the output from one place of the kernel to the next, ≥ 1; default 1. */
  stride?: S
  /** Rows and columns of the output that are left out on every side, ≥ 0; default 0. */
  padding?: S
  /** Rows and columns more at the output's end, below the stride or the dilation; default 0. */
  outputPadding?: S
  /** Pixels from one place within the kernel to the next, ≥ 1; 1: neighbours. Default 1. */
  dilation?: S
  /** Equal parts of the channels, each of which goes by itself; it divides both. Default 1. */
  groups?: number
}

/** Options of `convTranspose2d`; each has a default. */
export interface ConvTransposeOptions extends TransposedOptions<Size> {}

/** Options of `convTranspose1d`; each has a default. */
export interface ConvTranspose1dOptions extends TransposedOptions<number> {}

/** Checks and completes a transposed convolution. */
function transposedConvolution<In extends Size, S extends Size>(
  name: string,
  channels: readonly [number, number],
  given: In,
  options: TransposedOptions<In>,
  space: Space<S, In>,
): Transposed<S> {
  const sizes = ['stride', 'padding', 'outputPadding', 'dilation']
  checkOptions(name, options, [...sizes, 'groups', 'bias', 'init'])
  const own = sliding(name, channels, given, options, space)
  const { outputPadding: more = 0 as In } = options
  const outputPadding = space.size(`${name}.outputPadding`, more, 0)
  const [by, apart] = [[own.stride].flat(), [own.dilation ?? 1].flat()]
  if (![outputPadding].flat().every((n, i) => n < Math.max(by[i], apart[i] ?? apart[0])))
    fail(
      `${name}.outputPadding must be below the stride (${by}) or the dilation ` +
        `(${own.dilation ?? by.map(() => 1)}), got ${outputPadding}`,
    )
  const { standardise: _, ...start } = weights(name, 1, options)
  return { ...own, outputPadding, ...start }
}

/**
 * Transposed 2-D convolution (PyTorch's ConvTranspose2d): [inChannels, H, W] → [outChannels, H',
 * W'] with H' = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1, W' alike.
 * Each input pixel adds the kernel times its value to the output, `stride` pixels apart: the
 * gradient of the input of a `conv2d` with these options. Parameters `weight` [inChannels,
 * outChannels / groups, kernel height, kernel width] and `bias` [outChannels], which start as
 * PyTorch's, within ±1/√(outChannels / groups · kernel height · kernel width).
 *
 * ```ts
 * convTranspose2d(16, 8, 4, { stride: 2, padding: 1 }) // [16, 7, 7] → [8, 14, 14]
 * ```
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize height and width in pixels, or one number for both
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, `outputPadding` is not below stride or dilation, or an option is unknown
 */
export function convTranspose2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options: ConvTransposeOptions = {},
  ...more: []
): ConvTranspose2d {
  const channels = [inChannels, outChannels] as const
  const fields = transposedConvolution('convTranspose2d', channels, kernelSize, options, images)
  return layerOf(convTranspose2dKind, fields, more)
}

/**
 * Transposed convolution of a series (PyTorch's ConvTranspose1d): [inChannels, L] → [outChannels,
 * L'] with L' = (L − 1)·stride − 2·padding + dilation·(kernel − 1) + outputPadding + 1. Parameters
 * `weight` [inChannels, outChannels / groups, kernel] and `bias` [outChannels], which start as
 * PyTorch's.
 * @param inChannels C of the input, an integer ≥ 1
 * @param outChannels C of the output, an integer ≥ 1
 * @param kernelSize places of the kernel, an integer ≥ 1
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 *   numbers of channels, `outputPadding` is not below stride or dilation, or an option is unknown
 */
export function convTranspose1d(
  inChannels: number,
  outChannels: number,
  kernelSize: number,
  options: ConvTranspose1dOptions = {},
  ...more: []
): ConvTranspose1d {
  const channels = [inChannels, outChannels] as const
  const fields = transposedConvolution('convTranspose1d', channels, kernelSize, options, series)
  return layerOf(convTranspose1dKind, fields, more)
}

/** Height and width of a transposed convolution's output. */
function transposedSizes(
  where: string,
  x: Value,
  of: Slid,
  { outputPadding }: Transposed<Size>,
): Pair {
  const { stride, padding } = of
  const span = spanOf(of)
  const along = (axis: 0 | 1): number => {
    // A series has none for its one row.
    const more = [outputPadding].flat().at(axis - 2) ?? 0
    return (x.shape[1 + axis] - 1) * stride[axis] - 2 * padding[axis] + span[axis] + more
  }
  const out: Pair = [along(0), along(1)]
  if (!(out[0] >= 1 && out[1] >= 1))
    fail(
      `${where}: its padding ${padding.join('×')} leaves nothing of the output for the input ` +
        `${show(x)}; make padding smaller`,
    )
  return out
}

/**
 * Weight [inChannels, outChannels / groups, …kernel], whose fan-in PyTorch takes from its second
 * size on; bias [outChannels].
 */
function transposedParameters(layer: Transposed<Size>): ParameterSpec[] {
  const { inChannels, outChannels } = layer
  const exchanged = { inChannels: outChannels, outChannels: inChannels, standardise: false }
  return convolutionParameters({ ...layer, ...exchanged }).map((spec) =>
    spec.name === 'bias' ? { ...spec, shape: [outChannels] } : spec,
  )
}

/** How a kind of convolution runs, by its sizes on images. */
interface Way<L> {
  readonly plan: LayerPlan<Slid>
  /** Height and width of the output. */
  sizes(where: string, x: Value, of: Slid, layer: L): Pair
  parameters(layer: L): ParameterSpec[]
}

/** A kind of convolution: its function, what its kernel slides over, and how it runs. */
const slidingKind = <
  S extends Size,
  L extends Layer & OfKind<Layer['kind']> & Omit<Convolution<S>, 'standardise'>,
>(
  name: L['kind'],
  make: (inChannels: number, outChannels: number, kernelSize: S, options: object) => L,
  over: Space<S, never>,
  { sizes, parameters, plan }: Way<L>,
) => {
  const slid = (layer: Omit<Convolution<S>, 'standardise'>): Slid => ({
    ...layer,
    ...over.windows(layer),
    kind: 'conv2d',
  })
  return defineLayer<L>(name, {
    again: ({ inChannels, outChannels, kernelSize, ...options }: Omit<L, 'kind'>) =>
      make(inChannels, outChannels, kernelSize, options),
    output(layer, x, where) {
      over.expect(where, x)
      expectChannels(where, x, layer.inChannels)
      return [[layer.outChannels, ...sizes(where, x, slid(layer), layer)], false]
    },
    ...plan,
    parameters,
    pixels: ({ kernelSize }) => over.pair(kernelSize)[1],
    lower: (pass, node, layer, x) => plan.lower(pass, node, slid(layer), x),
  })
}

const straight = { sizes: windows, parameters: convolutionParameters, plan: weighted }
const conv2dKind = slidingKind<Pair, Conv2d>('conv2d', conv2d, images, straight)
const conv1dKind = slidingKind<number, Conv1d>('conv1d', conv1d, series, straight)

const back = { sizes: transposedSizes, parameters: transposedParameters, plan: transposed }
const convTranspose2dKind = slidingKind<Pair, ConvTranspose2d>(
  'convTranspose2d',
  convTranspose2d,
  images,
  back,
)
const convTranspose1dKind = slidingKind<number, ConvTranspose1d>(
  'convTranspose1d',
  convTranspose1d,
  series,
  back,
)

// Fully connected layers: convolutions whose kernel covers their whole input.

/** What `linear` makes. */
export interface Linear extends OfKind<'linear'>, Weighted {
  /** Numbers in. */
  readonly inFeatures: number
  /** Numbers out. */
  readonly outFeatures: number
}

/**
 * Fully connected layer: [inFeatures] → [outFeatures], y = weight · x + bias. Parameters `weight`
 * [outFeatures, inFeatures] and `bias` [outFeatures]. Images must be flattened first: put
 * `flatten()` before it.
 * @param inFeatures numbers in, an integer ≥ 1
 * @param outFeatures numbers out, an integer ≥ 1
 * @throws SpikewasmError when a size is not a positive integer or an option is unknown
 */
export function linear(
  inFeatures: number,
  outFeatures: number,
  options: LinearOptions = {},
  ...more: []
): Linear {
  checkOptions('linear', options, weightOptions)
  count('linear.inFeatures', inFeatures)
  count('linear.outFeatures', outFeatures)
  const own = weights('linear', inFeatures, options)
  return layerOf(linearKind, { inFeatures, outFeatures, ...own }, more)
}

const linearKind = defineLayer<Linear>('linear', {
  again: ({ inFeatures, outFeatures, ...options }) => linear(inFeatures, outFeatures, options),
  output({ inFeatures, outFeatures }, x, where) {
    expectFeatures(where, x, inFeatures)
    return [[outFeatures, 1, 1], true]
  },
  parameters: (layer) =>
    weightParameters(layer, [layer.outFeatures, layer.inFeatures], layer.inFeatures),
  ...weighted,
})
