/** Convolutions of images, and of series: those of images of one row. */

import { checkOptions } from '../../base/errors.js'
import { weighted } from '../../compile/emit/weighted.js'
import { defineLayer } from '../../compile/pass.js'
import {
  count,
  type Layer,
  layerOf,
  type OfKind,
  type Pair,
  type Size,
} from '../../network/kind.js'
import { sizeOf } from '../../network/value.js'
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
import { dilationOf, images, type Space, series, windows } from '../../network/window.js'

/** What `conv2d` makes; fields as in `ConvOptions`, completed. */
export interface Conv2d extends OfKind<'conv2d'>, Convolution<Pair> {}

/** What `conv1d` makes; fields as in `Conv1dOptions`, completed. */
export interface Conv1d extends OfKind<'conv1d'>, Convolution<number> {}

/** Options of `conv2d`; each has a default. */
export interface ConvOptions extends LinearOptions {
  /** Pixels between two places of the kernel, ≥ 1; default 1. */
  stride?: Size
  /** Rows and columns of zeros added on every side, ≥ 0; default 0. */
  padding?: Size
  /** Pixels from one place of the kernel to the next, ≥ 1; 1, the default: neighbours. */
  dilation?: Size
  /**
   * Equal parts of the channels: outputs of a part read the inputs of the same part alone. It
   * divides `inChannels` and `outChannels`; as many groups as input channels make a depthwise
   * convolution. With `standardise`, groups need a multiple of 4 output channels each, unless each
   * has one input and one output. Default 1.
   */
  groups?: number
}

type Sizes = 'stride' | 'padding' | 'dilation'

/** Checks and completes a convolution. */
function convolution<In extends Size, S extends Size>(
  name: string,
  [inChannels, outChannels]: readonly [number, number],
  given: In,
  options: LinearOptions & { groups?: number } & Partial<Record<Sizes, In | number>>,
  { size }: Space<S, In>,
): Convolution<S> {
  checkOptions(name, options, ['stride', 'padding', 'dilation', 'groups', ...weightOptions])
  const { stride = 1, padding = 0, dilation = 1 } = options as Partial<Record<Sizes, In>>
  const kernelSize = size(`${name}.kernelSize`, given, 1)
  const groups = channelGroups(name, inChannels, outChannels, options.groups)
  return {
    inChannels,
    outChannels,
    kernelSize,
    stride: size(`${name}.stride`, stride as In, 1),
    padding: size(`${name}.padding`, padding as In, 0),
    ...dilationOf(size(`${name}.dilation`, dilation as In, 1)),
    groups,
    ...weights(name, (inChannels / groups) * sizeOf([kernelSize].flat()), options),
  }
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

/** Options of `conv1d`; each has a default. */
export interface Conv1dOptions extends Omit<ConvOptions, Sizes> {
  /** Places between two positions of the kernel, ≥ 1; default 1. */
  stride?: number
  /** Zeros added at both ends, ≥ 0; default 0. */
  padding?: number
  /** Places of the input from one of the kernel to the next, ≥ 1; 1, the default: neighbours. */
  dilation?: number
}

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

/** A kind of convolution: its function, and what its kernel slides over. */
const convolutionKind = <S extends Size, L extends Layer & OfKind<Layer['kind']> & Convolution<S>>(
  name: L['kind'],
  make: (inChannels: number, outChannels: number, kernelSize: S, options: object) => L,
  over: Space<S, never>,
) => {
  const windowsOf = (layer: L) => ({
    ...over.windows(layer),
    dilation: layer.dilation === undefined ? undefined : over.pair(layer.dilation),
  })
  return defineLayer<L>(name, {
    again: ({ inChannels, outChannels, kernelSize, ...options }: Omit<L, 'kind'>) =>
      make(inChannels, outChannels, kernelSize, options),
    output(layer, x, where) {
      over.expect(where, x)
      expectChannels(where, x, layer.inChannels)
      return [[layer.outChannels, ...windows(where, x, windowsOf(layer))], false]
    },
    parameters: convolutionParameters,
    layout: weighted.layout,
    pixels: ({ kernelSize }) => over.pair(kernelSize)[1],
    lower: (pass, node, layer, x) =>
      weighted.lower(pass, node, { ...layer, ...windowsOf(layer), kind: 'conv2d' }, x),
  })
}

const conv2dKind = convolutionKind('conv2d', conv2d, images)
const conv1dKind = convolutionKind('conv1d', conv1d, series)

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
