/** Multiplication by a constant. */

import { checkOptions, describe, expect } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `scale` makes. */
export interface Scale {
  /** Tells this layer from others. */
  readonly kind: 'scale'
  /** What each number is multiplied by. */
  readonly factor: number
}

/**
 * Multiplies by a constant, any shape. The networks of OTTT (Xiao et al., NeurIPS 2022) scale their
 * spikes by 2.74.
 * @throws SpikewasmError when the factor is 0 or not finite
 */
export function scale(factor: number): Scale {
  expect(
    Number.isFinite(factor) && factor !== 0,
    () => `scale.factor must be a finite number other than 0, got ${describe(factor)}`,
  )
  return { kind: 'scale', factor }
}

export const scaleKind: LayerKind<Scale> = {
  ...sameShape,
  again({ factor, ...rest }) {
    checkOptions('scale', rest, [])
    return scale(factor)
  },
}
