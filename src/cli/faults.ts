/** How commands end when something breaks that nobody awaits: output that cannot be written. */

import type { Command } from 'commander'
import { printable, SpikewasmError } from '../errors.js'
import type { WarningCode } from '../runtime/platform.js'
import { complain } from './complain.js'
import { inFlags } from './mistakes.js'
import { typescriptLines } from './typescript-lines.js'

/** Exit code of `bench` for anything that went wrong: 1 means a slow-down there. */
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

/**
 * What a command does when its output cannot be written. A reader that goes away, as `head` does,
 * ends it well. A full disk is an error. But where work goes on that is worth more than what is
 * said of it, nothing of that ends it.
 *
 * @param goesOn whether the command goes on
 */
export function guardOutput(command: Command | undefined, goesOn: boolean): void {
  let told = false
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE' && !goesOn) process.exit(0)
    if (error.code === 'EPIPE' || told) return
    told = true
    const problem = new SpikewasmError(`standard output could not be written: ${error.message}`)
    const code = complain(problem, command)
    if (!goesOn) process.exit(code)
  })
  // Nobody is left to tell.
  process.stderr.on('error', () => {})
}

/** From now on the stack trace of an error that ends the process shows lines of TypeScript. */
export function showTypescript(): void {
  // Node writes the trace afterwards.
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    if (error instanceof Error && error.stack) error.stack = printable(typescriptLines(error.stack))
  })
}

/**
 * From now on our warnings are lines like our errors, not Node's, which speak of its own flags.
 *
 * @param own what the command says in words of its own
 */
export function plainWarnings(own: readonly WarningCode[]): void {
  const usual = process.listeners('warning')
  // With --no-warnings there are none.
  if (usual.length === 0) return
  process.removeAllListeners('warning')
  process.on('warning', (warning: Error & { readonly code?: string }) => {
    if (warning.name !== 'SpikewasmWarning') for (const tell of usual) tell(warning)
    else if (!(own as readonly (string | undefined)[]).includes(warning.code))
      process.stderr.write(`spikewasm: ${inFlags(warning.message, ['--threads'])}\n`)
  })
}
