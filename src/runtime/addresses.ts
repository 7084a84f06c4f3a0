/** Addresses, of which a process may have too few for a memory of whatever size. */

import { fail } from '../errors.js'
import { platform, size } from './platform.js'

/**
 * @param needs what the model needs, in words
 * @param cause what refused the memory
 * @throws SpikewasmError where they are why no memory is given: no smaller batch would help
 */
export function expectAddresses(needs: string, cause: RangeError): void {
  const addresses = platform().addressLimit?.()
  if (addresses && addresses.limit - addresses.used < addresses.reserved)
    fail(
      `${needs} and, whatever its size, ${size(addresses.reserved)} of addresses, but the ` +
        `process may use ${size(addresses.limit)} of addresses, and uses ` +
        `${size(addresses.used)}; no smaller batch helps: raise the limit (ulimit -v), or ` +
        'dispose of other models',
      cause,
    )
}
