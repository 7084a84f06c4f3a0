/** Batch normalisation of series and features. */

import { checkArguments, expect } from '../../errors.js'
import { show } from '../value.js'
import type { LayerKind } from './kind.js'
import { type BatchNormOptions, batchNormalising, batchNormState } from './normalise.js'

/** What `batchNorm1d` makes. */
export interface BatchNorm1d {
  /** Tells this layer from others. */
  readonly kind: 'batchNorm1d'
  /** C of the input, [C, L], or its features. */
  readonly channels: number
  /** Added to the variance. */
  readonly eps: number
  /** Share of a batch in the running statistics, 0…1. */
  readonly momentum: number
}

/**
 * Batch normalisation of a series, [C, L] → [C, L], or of features, [C] → [C]: all else as
 * `batchNorm2d`.
 * @param channels C of the input, an integer ≥ 1
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function batchNorm1d(
  channels: number,
  options: BatchNormOptions = {},
  ...more: []
): BatchNorm1d {
  checkArguments('batchNorm1d', more)
  return { kind: 'batchNorm1d', ...batchNormalising('batchNorm1d', channels, options) }
}

export const batchNorm1dKind: LayerKind<BatchNorm1d> = {
  again: ({ channels, ...options }) => batchNorm1d(channels, options),
  output({ channels }, x, where) {
    const [c, h, w] = x.shape
    expect(
      c === channels && h === 1 && !(x.flat && w > 1),
      () => `${where}: expects [${channels}, L] or [${channels}], got ${show(x)}`,
    )
    return [x.shape, x.flat]
  },
  ...batchNormState,
}
