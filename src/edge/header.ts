/** `net.h`: an exported network for programs in C. */

import type { NetInfo } from './abi.js'

/**
 * The C header of an exported network, C99 and C++.
 * @param net the file's bytes or its information
 * @param fileName of the header, for its include guard; default `net.h`
 */
export function netHeader(_net: Uint8Array | NetInfo, _fileName = 'net.h'): string {
  throw new Error('not yet')
}
