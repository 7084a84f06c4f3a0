/** How a page throws errors: `tools/page-errors.mjs` writes these in the place of longer words. */

import { SpikewasmError } from '../errors.js'
import { tell } from './tell.js'

/** Throws the message of a number; see `tell`. */
export const fail = (number: number, ...values: readonly unknown[]): never =>
  refuse(tell(number, ...values))

export function refuse(message: string): never {
  throw new SpikewasmError(message)
}
