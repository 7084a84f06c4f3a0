/** Dropout. */

import { checkArguments, checkOptions, describe, expect } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `dropout` makes. */
export interface Dropout {
  /** Tells this layer from others. */
  readonly kind: 'dropout'
  /** Probability that a neuron is silenced, 0…1, 1 excluded. */
  readonly p: number
}

/**
 * Dropout, any shape. In training each neuron is silenced with probability p, the same ones at all
 * time steps of a sample, and the others are multiplied by 1/(1 − p). Evaluation passes its input
 * on. It takes spikes or currents, so it may stand anywhere. Only method 'ottt', whose weights read
 * spikes, needs it directly behind neurons when a weight follows.
 * @param p probability, 0…1, 1 excluded; default 0.5
 * @throws SpikewasmError when p is out of range
 */
export function dropout(p = 0.5, ...more: []): Dropout {
  checkArguments('dropout', more)
  expect(
    Number.isFinite(p) && p >= 0 && p < 1,
    () => `dropout.p must lie in 0…1 (1 excluded), got ${describe(p)}`,
  )
  return { kind: 'dropout', p }
}

export const dropoutKind: LayerKind<Dropout> = {
  ...sameShape,
  random: true,
  again({ p, ...rest }) {
    checkOptions('dropout', rest, [])
    return dropout(p)
  },
}
