/** Flattening: images become features. */

import { checkArguments, checkOptions } from '../../errors.js'
import type { LayerKind } from './kind.js'

/** What `flatten` makes. */
export interface Flatten {
  /** Tells this layer from others. */
  readonly kind: 'flatten'
}

/** Turns an image into features: [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(...more: []): Flatten {
  checkArguments('flatten', more)
  return { kind: 'flatten' }
}

export const flattenKind: LayerKind<Flatten> = {
  output: (_layer, x) => [x.shape, true],
  again(rest) {
    checkOptions('flatten', rest, [])
    return flatten()
  },
}
