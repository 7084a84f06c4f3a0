/** Fully connected layers: convolutions whose kernel covers their whole input. */

import { checkOptions, fail } from '../errors.js'
import { count, layerOf, type OfKind } from '../nn/kind.js'
import { show } from '../nn/value.js'
import {
  type LinearOptions,
  type Weighted,
  weightOptions,
  weightParameters,
  weights,
} from '../nn/weights.js'
import { defineLayer } from '../plan/layer-plan.js'
import { weighted } from '../plan/weighted.js'

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
    const [c, h, w] = x.shape
    if (!x.flat && !(h === 1 && w === 1))
      fail(`${where}: expects features, got the image ${show(x)}; put flatten() before it`)
    if (c * h * w !== inFeatures)
      fail(
        `${where}: expects ${inFeatures} features, got ${c * h * w}` +
          (h * w > 1 ? ` (from [${c}, ${h}, ${w}])` : ''),
      )
    return [[outFeatures, 1, 1], true]
  },
  parameters: (layer) =>
    weightParameters(layer, [layer.outFeatures, layer.inFeatures], layer.inFeatures),
  ...weighted,
})
