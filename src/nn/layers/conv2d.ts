/** Convolutions. */

import { checkArguments, checkOptions } from '../../errors.js'
import { expectImage, type LayerKind, type Pair, pair, type Size, windows } from './kind.js'
import {
  channelGroups,
  convolutionParameters,
  expectChannels,
  type Init,
  type LinearOptions,
  weightOptions,
  weights,
} from './weights.js'

/** What `conv2d` makes; fields as in `ConvOptions`, completed. */
export interface Conv2d {
  /** Tells this layer from others. */
  readonly kind: 'conv2d'
  /** C of the input, [C, H, W]. */
  readonly inChannels: number
  /** C of the output. */
  readonly outChannels: number
  /** Height and width of the kernel, in pixels. */
  readonly kernelSize: Pair
  /** Pixels between two places of the kernel, down and across. */
  readonly stride: Pair
  /** Rows and columns of zeros added on every side. */
  readonly padding: Pair
  /** Equal parts of the channels that are convolved apart. */
  readonly groups: number
  /** Whether there is a bias for each output channel. */
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  /** Where weight and bias start. */
  readonly init: Init
}

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
  return {
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernelSize: kernel,
    stride: pair('conv2d.stride', stride, 1),
    padding: pair('conv2d.padding', padding, 0),
    groups,
    ...weights('conv2d', (inChannels / groups) * kernel[0] * kernel[1], options),
  }
}

export const conv2dKind: LayerKind<Conv2d> = {
  again: ({ inChannels, outChannels, kernelSize, ...options }) =>
    conv2d(inChannels, outChannels, kernelSize, options),
  output({ inChannels, outChannels, kernelSize, stride, padding }, x, where) {
    expectImage(where, x)
    expectChannels(where, x, inChannels)
    return [[outChannels, ...windows(where, x, kernelSize, stride, padding)], false]
  },
  parameters: convolutionParameters,
}
