/** An analog activation between currents. */

import { checkArguments, checkOptions } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `relu` makes. */
export interface Relu {
  /** Tells this layer from others. */
  readonly kind: 'relu'
}

/**
 * max(0, x), any shape, at each time step: an activation for the analog part of a mixed network,
 * for example its stem. In rate mode its derivative is the mean over the steps of 1[x > 0].
 */
export function relu(...more: []): Relu {
  checkArguments('relu', more)
  return { kind: 'relu' }
}

export const reluKind: LayerKind<Relu> = {
  ...sameShape,
  again(rest) {
    checkOptions('relu', rest, [])
    return relu()
  },
}
