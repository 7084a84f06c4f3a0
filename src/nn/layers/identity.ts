/** A layer that does nothing. */

import { checkArguments, checkOptions } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `identity` makes. */
export interface Identity {
  /** Tells this layer from others. */
  readonly kind: 'identity'
}

/** Passes its input on, any shape: a shortcut, or a place kept free. */
export function identity(...more: []): Identity {
  checkArguments('identity', more)
  return { kind: 'identity' }
}

export const identityKind: LayerKind<Identity> = {
  ...sameShape,
  again(rest) {
    checkOptions('identity', rest, [])
    return identity()
  },
}
