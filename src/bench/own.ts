/** `spikewasm/bench`, which had a function that other libraries do better. */
import { SpikewasmError } from '../errors.js'

/**
 * @deprecated
 * @throws SpikewasmError always
 */
export function bench(): never {
  throw new SpikewasmError(
    'spikewasm/bench has no bench any more; time functions of your own with tinybench ' +
      '(npm install tinybench)',
  )
}
