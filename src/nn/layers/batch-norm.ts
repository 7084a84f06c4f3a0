/** Batch normalisation. */

import { checkArguments, expect } from '../../errors.js'
import { show } from '../value.js'
import type { LayerKind } from './kind.js'
import { type BatchNormOptions, batchNormalising, batchNormState } from './normalise.js'

/** What `batchNorm2d` makes. */
export interface BatchNorm2d {
  /** Tells this layer from others. */
  readonly kind: 'batchNorm2d'
  /** C of the input, [C, H, W]. */
  readonly channels: number
  /** Added to the variance. */
  readonly eps: number
  /** Share of a batch in the running statistics, 0…1. */
  readonly momentum: number
}

/**
 * Batch normalisation, [C, H, W] → [C, H, W]: y = weight · (x − mean) / √(variance + eps) + bias.
 *
 * In training, mean and variance of a channel are those of the batch: over samples, height, width
 * and, in step mode m, time steps, as in tdBN (Zheng et al., AAAI 2021) without its scale by the
 * threshold. In step mode s each time step has statistics of its own. Evaluation uses the running
 * statistics.
 *
 * Parameters `weight` (starts at 1) and `bias` (0), running statistics `running_mean` (0) and
 * `running_var` (1), each [channels].
 * @param channels C of the input, an integer ≥ 1
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function batchNorm2d(
  channels: number,
  options: BatchNormOptions = {},
  ...more: []
): BatchNorm2d {
  checkArguments('batchNorm2d', more)
  return { kind: 'batchNorm2d', ...batchNormalising('batchNorm2d', channels, options) }
}

export const batchNorm2dKind: LayerKind<BatchNorm2d> = {
  again: ({ channels, ...options }) => batchNorm2d(channels, options),
  output({ channels }, x, where) {
    const [c, h, w] = x.shape
    expect(
      c === channels && !(x.flat && h * w > 1),
      () => `${where}: expects ${channels} channels, got ${show(x)}`,
    )
    return [x.shape, x.flat]
  },
  ...batchNormState,
}
