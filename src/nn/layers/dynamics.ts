/** Options that all neurons of one kind for a layer have in common. */

import { checkBoolean, describe, expect } from '../../errors.js'
import { finite } from './numbers.js'
import { checkSurrogate, type SurrogateName } from './surrogates.js'

/** As they are given. */
interface DynamicsOptions {
  readonly decayInput?: boolean
  readonly vThreshold?: number
  readonly vReset?: number | null
  readonly surrogate?: SurrogateName
  readonly alpha?: number
}

/**
 * Checks and completes them.
 * @param name what messages call the layer
 * @throws SpikewasmError when one is out of range
 */
export function checkDynamics(name: string, tau: number, options: DynamicsOptions) {
  const { vThreshold = 1, vReset = null } = options
  const { surrogate, alpha } = checkSurrogate(name, options)
  expect(typeof tau === 'number' && tau > 1, () => `${name}.tau must be > 1, got ${describe(tau)}`)
  expect(
    finite(vThreshold) && Math.fround(vThreshold) > 0,
    () => `${name}.vThreshold must be > 0 and finite as a float32, got ${describe(vThreshold)}`,
  )
  expect(
    vReset === null || (finite(vReset) && vReset < vThreshold),
    () => `${name}.vReset must be null or < vThreshold (${vThreshold}), got ${describe(vReset)}`,
  )
  const decayInput = checkBoolean(`${name}.decayInput`, options.decayInput, false)
  return { tau, decayInput, vThreshold, vReset, surrogate, alpha }
}
