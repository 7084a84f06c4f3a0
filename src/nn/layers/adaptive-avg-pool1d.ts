/** Average pooling of series to a given length. */

import { checkArguments, checkOptions } from '../../errors.js'
import { expectSeries, integer, type LayerKind } from './kind.js'

/** What `adaptiveAvgPool1d` makes. */
export interface AdaptiveAvgPool1d {
  /** Tells this layer from others. */
  readonly kind: 'adaptiveAvgPool1d'
  /** Length of the output. */
  readonly outputSize: number
}

/**
 * Means over windows of a series, so many as asked for: [C, L] → [C, outputSize], by the rule of
 * `adaptiveAvgPool2d`.
 * @throws SpikewasmError when the size is not a positive integer
 */
export function adaptiveAvgPool1d(outputSize: number, ...more: []): AdaptiveAvgPool1d {
  checkArguments('adaptiveAvgPool1d', more)
  return {
    kind: 'adaptiveAvgPool1d',
    outputSize: integer('adaptiveAvgPool1d.outputSize', outputSize, 1),
  }
}

export const adaptiveAvgPool1dKind: LayerKind<AdaptiveAvgPool1d> = {
  again: ({ outputSize, ...rest }) => {
    checkOptions('adaptiveAvgPool1d', rest, [])
    return adaptiveAvgPool1d(outputSize)
  },
  output({ outputSize }, x, where) {
    expectSeries(where, x)
    return [[x.shape[0], 1, outputSize], false]
  },
}
