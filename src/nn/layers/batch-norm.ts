/** Batch normalisation. */

import { checkOptions, describe, expect } from '../../errors.js'
import { show } from '../value.js'
import { count, type LayerKind } from './kind.js'

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

/** Options of `batchNorm2d`; each has a default. */
export interface BatchNormOptions {
  /** Added to the variance, > 0; default 1e-5. */
  eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  momentum?: number
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
export function batchNorm2d(channels: number, options: BatchNormOptions = {}): BatchNorm2d {
  checkOptions('batchNorm2d', options, ['eps', 'momentum'])
  const { eps = 1e-5, momentum = 0.1 } = options
  expect(Number.isFinite(eps) && eps > 0, () => `batchNorm2d.eps must be > 0, got ${describe(eps)}`)
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum <= 1,
    () => `batchNorm2d.momentum must lie in 0…1, got ${describe(momentum)}`,
  )
  return { kind: 'batchNorm2d', channels: count('batchNorm2d.channels', channels), eps, momentum }
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
  parameters: ({ channels }) => [
    { name: 'weight', shape: [channels], decays: false, initial: 1 },
    { name: 'bias', shape: [channels], decays: false, initial: 0 },
  ],
  statistics: ({ channels }) => [
    { name: 'running_mean', shape: [channels], initial: 0 },
    { name: 'running_var', shape: [channels], initial: 1 },
  ],
}
