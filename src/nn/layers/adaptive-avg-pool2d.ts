/** Average pooling to a given size. */

import { checkArguments, checkOptions } from '../../errors.js'
import { expectImage, type LayerKind, type Pair, pair, type Size } from './kind.js'

/** What `adaptiveAvgPool2d` makes. */
export interface AdaptiveAvgPool2d {
  /** Tells this layer from others. */
  readonly kind: 'adaptiveAvgPool2d'
  /** Height and width of the output, in pixels. */
  readonly outputSize: Pair
}

/**
 * Means over windows, so many as asked for: [C, H, W] → [C, H', W'], where `outputSize` gives H'
 * and W'. Row i of the output is the mean of the rows ⌊i·H/H'⌋ … ⌈(i + 1)·H/H'⌉ − 1, columns
 * alike, as in PyTorch. Where H' divides H these windows are equal and share no row; else
 * neighbours may
 * share one. A size above the input's repeats rows.
 *
 * Where the windows are equal nothing runs for the layer, and spikes stay spikes for the layer
 * behind it. Where they are not, it gives numbers.
 * @param outputSize height and width of the output, or one number for both
 * @throws SpikewasmError when a size is not a positive integer
 */
export function adaptiveAvgPool2d(outputSize: Size, ...more: []): AdaptiveAvgPool2d {
  checkArguments('adaptiveAvgPool2d', more)
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
  output({ outputSize }, x, where) {
    expectImage(where, x)
    return [[x.shape[0], ...outputSize], false]
  },
}
