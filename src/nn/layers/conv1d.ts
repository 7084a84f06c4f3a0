/** Convolutions of series. */

import { checkArguments, checkOptions } from '../../errors.js'
import { expectSeries, integer, type LayerKind, windows } from './kind.js'
import {
  channelGroups,
  convolutionParameters,
  expectChannels,
  type Init,
  type LinearOptions,
  weightOptions,
  weights,
} from './weights.js'

/** What `conv1d` makes; fields as in `Conv1dOptions`, completed. */
export interface Conv1d {
  /** Tells this layer from others. */
  readonly kind: 'conv1d'
  /** C of the input, [C, L]. */
  readonly inChannels: number
  /** C of the output. */
  readonly outChannels: number
  /** Places of the kernel. */
  readonly kernelSize: number
  /** Places between two positions of the kernel. */
  readonly stride: number
  /** Zeros added at both ends. */
  readonly padding: number
  /** Equal parts of the channels that are convolved apart. */
  readonly groups: number
  /** Whether there is a bias for each output channel. */
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  /** Where weight and bias start. */
  readonly init: Init
}

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
  return {
    kind: 'conv1d',
    inChannels,
    outChannels,
    kernelSize,
    stride: integer('conv1d.stride', stride, 1),
    padding: integer('conv1d.padding', padding, 0),
    groups,
    ...weights('conv1d', (inChannels / groups) * kernelSize, options),
  }
}

export const conv1dKind: LayerKind<Conv1d> = {
  again: ({ inChannels, outChannels, kernelSize, ...options }) =>
    conv1d(inChannels, outChannels, kernelSize, options),
  output({ inChannels, outChannels, kernelSize, stride, padding }, x, where) {
    expectSeries(where, x)
    expectChannels(where, x, inChannels)
    const size = windows(where, x, [1, kernelSize], [1, stride], [0, padding])
    return [[outChannels, ...size], false]
  },
  parameters: convolutionParameters,
}
