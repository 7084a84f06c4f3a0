/** Convolutions. */

import { checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { count, expectImage, type LayerKind, type Pair, pair, type Size, windows } from './kind.js'
import {
  type Init,
  type LinearOptions,
  weightOptions,
  weightParameters,
  weights,
} from './weights.js'

/** What `conv2d` makes; fields as in `ConvOptions`, completed. */
export interface Conv2d {
  readonly kind: 'conv2d'
  readonly inChannels: number
  readonly outChannels: number
  readonly kernelSize: Pair
  readonly stride: Pair
  /** Zeros added on every side. */
  readonly padding: Pair
  /** Equal parts of the channels that are convolved apart. */
  readonly groups: number
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  readonly init: Init
}

export interface ConvOptions extends LinearOptions {
  /** Default 1. */
  stride?: Size
  /** Zeros added on every side; default 0. */
  padding?: Size
  /**
   * Equal parts of the channels: outputs of a part read the inputs of the same part alone. It
   * divides `inChannels` and `outChannels`; as many groups as input channels make a depthwise
   * convolution. Default 1.
   */
  groups?: number
}

/**
 * 2-D convolution (cross-correlation, as PyTorch's): [C, H, W] → [outChannels, H', W'], H' = ⌊(H +
 * 2·padding − kernel) / stride⌋ + 1. Parameters `weight` [out, in / groups, kh, kw] and `bias`
 * [out]. Weight and bias start as PyTorch's, within ±1/√(in / groups · kh · kw).
 *
 * With `groups`, work and weights are 1/groups of those of the same convolution without. A block of
 * a depthwise and a pointwise convolution:
 *
 * ```ts
 * sequential(
 *   conv2d(64, 64, 3, { padding: 1, groups: 64, bias: false }),
 *   conv2d(64, 128, 1, { bias: false }),
 *   batchNorm2d(128),
 *   lif(),
 * )
 * ```
 * @throws SpikewasmError when a size is not a positive integer, `groups` does not divide both
 * numbers of channels, or an option is unknown.
 */
export function conv2d(
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options: ConvOptions = {},
): Conv2d {
  checkOptions('conv2d', options, ['stride', 'padding', 'groups', ...weightOptions])
  const kernel = pair('conv2d.kernelSize', kernelSize, 1)
  const groups = count('conv2d.groups', options.groups ?? 1)
  for (const [name, channels] of [
    ['inChannels', count('conv2d.inChannels', inChannels)],
    ['outChannels', count('conv2d.outChannels', outChannels)],
  ] as const)
    expect(
      channels % groups === 0,
      () =>
        `conv2d.groups must divide inChannels and outChannels, got ${groups} groups with ${name} ${channels}`,
    )
  return {
    kind: 'conv2d',
    inChannels,
    outChannels,
    kernelSize: kernel,
    stride: pair('conv2d.stride', options.stride ?? 1, 1),
    padding: pair('conv2d.padding', options.padding ?? 0, 0),
    groups,
    ...weights('conv2d', (inChannels / groups) * kernel[0] * kernel[1], options),
  }
}

export const conv2dKind: LayerKind<Conv2d> = {
  output({ inChannels, outChannels, kernelSize, stride, padding }, x, where) {
    expectImage(where, x)
    expect(
      x.shape[0] === inChannels,
      () => `${where}: expects ${inChannels} input channels, got ${x.shape[0]} (input ${show(x)})`,
    )
    return [[outChannels, ...windows(where, x, kernelSize, stride, padding)], false]
  },
  parameters(layer) {
    const { inChannels, outChannels, kernelSize, groups } = layer
    const groupIn = inChannels / groups
    return weightParameters(
      layer,
      [outChannels, groupIn, ...kernelSize],
      groupIn * kernelSize[0] * kernelSize[1],
    )
  },
}
