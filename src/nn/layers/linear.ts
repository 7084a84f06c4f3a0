/** Fully connected layers. */

import { checkArguments, checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { count, type LayerKind } from './kind.js'
import {
  type Init,
  type LinearOptions,
  weightOptions,
  weightParameters,
  weights,
} from './weights.js'

/** What `linear` makes. */
export interface Linear {
  /** Tells this layer from others. */
  readonly kind: 'linear'
  /** Numbers in. */
  readonly inFeatures: number
  /** Numbers out. */
  readonly outFeatures: number
  /** Whether there is a bias for each output. */
  readonly bias: boolean
  /** Whether weights are standardised and scaled by a learnable gain. */
  readonly standardise: boolean
  /** Where weight and bias start. */
  readonly init: Init
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
  checkArguments('linear', more)
  checkOptions('linear', options, weightOptions)
  return {
    kind: 'linear',
    inFeatures: count('linear.inFeatures', inFeatures),
    outFeatures: count('linear.outFeatures', outFeatures),
    ...weights('linear', inFeatures, options),
  }
}

export const linearKind: LayerKind<Linear> = {
  again: ({ inFeatures, outFeatures, ...options }) => linear(inFeatures, outFeatures, options),
  output({ inFeatures, outFeatures }, x, where) {
    const [c, h, w] = x.shape
    expect(
      x.flat || (h === 1 && w === 1),
      () => `${where}: expects features, got the image ${show(x)}; put flatten() before it`,
    )
    expect(
      c * h * w === inFeatures,
      () =>
        `${where}: expects ${inFeatures} features, got ${c * h * w}` +
        (h * w > 1 ? ` (from [${c}, ${h}, ${w}])` : ''),
    )
    return [[outFeatures, 1, 1], true]
  },
  parameters: (layer) =>
    weightParameters(layer, [layer.outFeatures, layer.inFeatures], layer.inFeatures),
}
