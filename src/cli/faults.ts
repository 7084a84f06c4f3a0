/** How `spikewasm bench` ends when something breaks: with 2, since 1 means a slow-down. */

import type { Command } from 'commander'
import { SpikewasmError } from '../errors.js'
import { complain } from './complain.js'

/** Exit code of anything that went wrong. */
export const FAILED = 2

/**
 * From now on errors that nobody has caught end the process with 2. A reader of our output that
 * goes away does not end it: files are still to be written, and a slow-down is still to be told.
 */
export function guardBench(command: Command | undefined): void {
  const end = (error: unknown): never => process.exit(complain(error, command, FAILED))
  process.on('uncaughtException', end)
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE')
      end(new SpikewasmError(`standard output could not be written: ${error.message}`))
  })
  // Nobody is left to tell.
  process.stderr.on('error', () => {})
}
