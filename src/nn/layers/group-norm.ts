/** Group normalisation. */

import { checkArguments, checkBoolean, checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { count, type LayerKind } from './kind.js'
import { affineParameters, epsilon, type SampleNormOptions } from './normalise.js'

/** What `groupNorm` makes. */
export interface GroupNorm {
  /** Tells this layer from others. */
  readonly kind: 'groupNorm'
  /** Equal parts of the channels that are normalised apart. */
  readonly groups: number
  /** C of the input. */
  readonly channels: number
  /** Added to the variance. */
  readonly eps: number
  /** Whether there is a weight and a bias for each channel. */
  readonly affine: boolean
}

/**
 * Group normalisation (Wu, He, ECCV 2018; PyTorch's GroupNorm), any shape with C channels: y =
 * weight · (x − mean) / √(variance + eps) + bias. Mean and (biased) variance are those of one
 * group of channels of one sample at one time step, over its height and width; in training and
 * evaluation
 * alike. There are no running statistics.
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
  checkArguments('groupNorm', more)
  checkOptions('groupNorm', options, ['eps', 'affine'])
  const { eps = 1e-5 } = options
  count('groupNorm.groups', groups)
  count('groupNorm.channels', channels)
  expect(
    channels % groups === 0,
    () => `groupNorm.groups must divide channels (${channels}), got ${groups}`,
  )
  return {
    kind: 'groupNorm',
    groups,
    channels,
    eps: epsilon('groupNorm', eps),
    affine: checkBoolean('groupNorm.affine', options.affine, true),
  }
}

export const groupNormKind: LayerKind<GroupNorm> = {
  again: ({ groups, channels, ...options }) => groupNorm(groups, channels, options),
  output({ channels }, x, where) {
    const [c, h, w] = x.shape
    expect(
      c === channels && !(x.flat && h * w > 1),
      () => `${where}: expects ${channels} channels, got ${show(x)}`,
    )
    return [x.shape, x.flat]
  },
  parameters: ({ channels, affine }) => (affine ? affineParameters([channels]) : []),
}
