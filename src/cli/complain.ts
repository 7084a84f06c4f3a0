/** How errors of commands end: a line for a user's mistake, a stack trace for a fault of ours. */

import { type Command, CommanderError } from 'commander'
import { oneLine, SpikewasmError } from '../errors.js'
import { VERSION } from '../version.js'
import { inFlags } from './mistakes.js'
import { typescriptLines } from './typescript-lines.js'

/**
 * Writes what went wrong to standard error.
 *
 * @param command the one that was run, where it is known
 * @param failure exit code of anything that went wrong
 * @returns the exit code
 */
export function complain(error: unknown, command: Command | undefined, failure = 1): number {
  const tell = (text: string): number => {
    process.stderr.write(`${text}\n`)
    return failure
  }
  if (error instanceof CommanderError) {
    // --help and --version end here too.
    if (error.exitCode === 0) return 0
    if (error.code === 'commander.help') return failure
    const message = error.message
      .replace(/^error: /, '')
      .replace(/\n(?=\(Did you mean [^\n]*$)/, ' ')
      .replace(/\.$/, '')
    return tell(
      `spikewasm: ${oneLine(message)}; see spikewasm --help and spikewasm <command> --help`,
    )
  }
  if (error instanceof SpikewasmError) {
    const flags = command?.options.map((option) => option.long ?? '') ?? []
    return tell(`spikewasm: ${inFlags(error.message, flags)}`)
  }
  const { code, url } = Object(error) as { readonly code?: unknown; readonly url?: unknown }
  if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') {
    const file = typeof url === 'string' ? url.replace(/^file:\/\//, '') : 'a module'
    return tell(
      `spikewasm: ${file}, a file of spikewasm, is missing or damaged; install spikewasm again`,
    )
  }
  tell(typescriptLines((error instanceof Error ? error.stack : undefined) ?? String(error)))
  return tell(
    `spikewasm ${VERSION}: this is a fault of the program; please report it ` +
      'with the command you ran and the lines above',
  )
}
