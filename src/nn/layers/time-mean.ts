/** Mean over the time steps. */

import { checkArguments, checkOptions } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `timeMean` makes. */
export interface TimeMean {
  /** Tells this layer from others. */
  readonly kind: 'timeMean'
}

/**
 * Mean over all time steps, [C, H, W] → [C, H, W]: of spikes their firing rates, the same numbers
 * at each step. What is behind it is an ordinary network of rates, as the branches of
 * self-distillation. Needs all steps at once: in training methods 'rate' and 'bptt' with stepMode
 * 'm'; it is no layer for streams.
 */
export function timeMean(...more: []): TimeMean {
  checkArguments('timeMean', more)
  return { kind: 'timeMean' }
}

export const timeMeanKind: LayerKind<TimeMean> = {
  ...sameShape,
  again(options) {
    checkOptions('timeMean', options, [])
    return timeMean()
  },
}
