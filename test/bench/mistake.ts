/** Mistakes of users, as tests of benchmarks look at them. */
import * as assert from 'uvu/assert'

/** The message of the mistake that a promise ends in; fails for another error, or none. */
export async function mistakeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    assert.is((error as Error).name, 'SpikewasmError', String((error as Error).stack))
    return (error as Error).message
  }
  throw new Error('no error came')
}
