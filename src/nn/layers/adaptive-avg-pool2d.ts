/** Average pooling to a given size. */

import { checkOptions, expect } from '../../errors.js'
import { show } from '../value.js'
import { type LayerKind, type Pair, pair, type Size } from './kind.js'

/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d {
  /** Tells this layer from others. */
  readonly kind: 'adaptiveAvgPool2d'
  /** Height and width of the output, in pixels. */
  readonly outputSize: Pair
}

/**
 * Mean over equal windows: [C, H, W] → [C, H', W'], where `outputSize` gives H' and W'. They must
 * divide H and W; compiling the network checks that.
 * @param outputSize height and width of the output, or one number for both
 * @throws SpikewasmError when a size is not a positive integer
 */
export function adaptiveAvgPool2d(outputSize: Size): AdaptiveAvgPool2d {
  return {
    kind: 'adaptiveAvgPool2d',
    outputSize: pair('adaptiveAvgPool2d.outputSize', outputSize, 1),
  }
}

export const adaptiveAvgPool2dKind: LayerKind<AdaptiveAvgPool2d> = {
  again: ({ outputSize, ...rest }) => {
    checkOptions('adaptiveAvgPool2d', rest, [])
    return adaptiveAvgPool2d(outputSize)
  },
  output({ outputSize: [oh, ow] }, x, where) {
    const [c, h, w] = x.shape
    expect(
      !x.flat && h % oh === 0 && w % ow === 0,
      () => `${where}: its output ${oh}×${ow} must divide the input ${show(x)}`,
    )
    return [[c, oh, ow], false]
  },
}
