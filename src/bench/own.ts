/** `spikewasm/bench`, which had a function that other libraries do better. */
import { fail } from '../errors.js'

/**
 * @deprecated
 * @throws SpikewasmError always
 */
export function bench(): never {
  fail(
    'spikewasm/bench has no bench any more; time functions of your own with tinybench ' +
      '(npm install tinybench)',
  )
}
