/** In a page this stands for `checkpoints.ts`. */

import { fail } from '../base/errors.js'
import type * as checkpoints from './checkpoints.js'

let remaker: typeof checkpoints.remake | undefined

/** What `gradientCheckpoint` needs. */
export function registerRemake(made: typeof checkpoints.remake): void {
  remaker = made
}

/** @throws SpikewasmError where the page has nothing that makes activations again */
export const remake: typeof checkpoints.remake = (...of) => {
  if (remaker) return remaker(...of)
  fail(
    "gradientCheckpoint 'layers' needs what makes activations again, which this page does not " +
      "load; import 'spikewasm/layers', which has all that networks and options may ask for",
  )
}
