/** Convolutions of images, and of series: those of images of one row. */

import { checkArguments, checkOptions } from '../errors.js'
import {
  expectImage,
  expectSeries,
  integer,
  layerOf,
  type OfKind,
  type Pair,
  pair,
  type Size,
} from '../nn/kind.js'
import {
  type Convolution,
  channelGroups,
  convolutionParameters,
  expectChannels,
  type LinearOptions,
  weightOptions,
  weights,
} from '../nn/weights.js'
import { windows, windowsOfSeries } from '../nn/window.js'
import { defineLayer } from '../plan/layer-plan.js'
import { weighted } from '../plan/weighted.js'

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
  /**
   * Equal parts of the channels: outputs of a part read the inputs of the same part alone. It
   * divides `inChannels` and `outChannels`; as many groups as input channels make a depthwise
   * convolution. With `standardise`, groups need a multiple of 4 output channels each, unless each
   * has one input and one output. Default 1.
   */
  groups?: number
}

/**
 * 2-D convolution (a cross-correlation, as in PyTorch): [inChannels, H, W] → [outChannels, H', W']
 * with H' = ⌊(H + 2·padding − kernel) / stride⌋ + 1, W' alike. Parameters `weight` [outChannels,
 * inChannels / groups, kernel height, kernel width] and `bias` [outChannels]. Both start as
 * PyTorch's, within ±1/√(inChannels / groups · kernel height · kernel width).
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
  checkArguments('conv2d', more)
  checkOptions('conv2d', options, ['stride', 'padding', 'groups', ...weightOptions])
  const { stride = 1, padding = 0 } = options
  const kernel = pair('conv2d.kernelSize', kernelSize, 1)
  const groups = channelGroups('conv2d', inChannels, outChannels, options.groups)
  return layerOf(conv2dKind, {
    inChannels,
    outChannels,
    kernelSize: kernel,
    stride: pair('conv2d.stride', stride, 1),
    padding: pair('conv2d.padding', padding, 0),
    groups,
    ...weights('conv2d', (inChannels / groups) * kernel[0] * kernel[1], options),
  })
}

const conv2dKind = defineLayer<Conv2d>('conv2d', {
  again: ({ inChannels, outChannels, kernelSize, ...options }) =>
    conv2d(inChannels, outChannels, kernelSize, options),
  output({ inChannels, outChannels, ...of }, x, where) {
    expectImage(where, x)
    expectChannels(where, x, inChannels)
    return [[outChannels, ...windows(where, x, of)], false]
  },
  parameters: convolutionParameters,
  ...weighted,
  pixels: ({ kernelSize }) => kernelSize[1],
})

/** Options of `conv1d`; each has a default. */
export interface Conv1dOptions extends LinearOptions {
  /** Places between two positions of the kernel, ≥ 1; default 1. */
  stride?: number
  /** Zeros added at both ends, ≥ 0; default 0. */
  padding?: number
  /** As of `conv2d`; default 1. */
  groups?: number
}

/**
 * Convolution of a series (a cross-correlation, as in PyTorch): [inChannels, L] → [outChannels, L']
 * with L' = ⌊(L + 2·padding − kernel) / stride⌋ + 1. Parameters `weight` [outChannels, inChannels /
 * groups, kernel] and `bias` [outChannels], which start as PyTorch's. A series is an input [C, L]
 * of `compile`.
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
  checkArguments('conv1d', more)
  checkOptions('conv1d', options, ['stride', 'padding', 'groups', ...weightOptions])
  const { stride = 1, padding = 0 } = options
  integer('conv1d.kernelSize', kernelSize, 1)
  const groups = channelGroups('conv1d', inChannels, outChannels, options.groups)
  return layerOf(conv1dKind, {
    inChannels,
    outChannels,
    kernelSize,
    stride: integer('conv1d.stride', stride, 1),
    padding: integer('conv1d.padding', padding, 0),
    groups,
    ...weights('conv1d', (inChannels / groups) * kernelSize, options),
  })
}

const conv1dKind = defineLayer<Conv1d>('conv1d', {
  again: ({ inChannels, outChannels, kernelSize, ...options }) =>
    conv1d(inChannels, outChannels, kernelSize, options),
  output({ inChannels, outChannels, ...of }, x, where) {
    expectSeries(where, x)
    expectChannels(where, x, inChannels)
    return [[outChannels, ...windows(where, x, windowsOfSeries(of))], false]
  },
  parameters: convolutionParameters,
  layout: weighted.layout,
  pixels: ({ kernelSize }) => kernelSize,
  lower: (pass, node, layer, x) =>
    weighted.lower(pass, node, { ...layer, ...windowsOfSeries(layer), kind: 'conv2d' }, x),
})
