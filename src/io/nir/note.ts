/** What a file of ours says about itself, in the metadata of its graph; other programs skip it. */

import type { Discretisation } from './options.js'

/** What a file is written with. */
export interface NirTime {
  /** Seconds of a time step. */
  readonly dt: number
  readonly discretisation: Discretisation
}

/** For reading the file again with the same numbers. */
export interface NirNote extends NirTime {
  readonly integration: 'step'
  readonly timeSteps: number
  readonly frames: boolean
}

/** Under which name of the graph's metadata a `NirNote` lies, as JSON. */
export const noteKey = 'spikewasm'
