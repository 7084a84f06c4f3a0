/** The option that says which threads read ahead; they themselves are in `read-ahead.ts`. */

import { describe, fail } from '../errors.js'

/** More threads than any machine that trains has for reading. */
const MOST_WORKERS = 64

/** @throws SpikewasmError unless it is an integer from 0 to 64, or absent */
export function checkNumWorkers(name: string, value: number | undefined): void {
  if (value !== undefined && !(Number.isInteger(value) && value >= 0 && value <= MOST_WORKERS))
    fail(
      `${name} must be 0 (the calling thread prepares batches) or the number of threads that do, ` +
        `at most ${MOST_WORKERS}, got ${describe(value)}; leave it out to have it chosen`,
    )
}
