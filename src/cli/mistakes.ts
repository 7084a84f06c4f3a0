/**
 * Two kinds of errors: a user's mistake is shown as one line, a fault of the program with its stack
 * trace. And output that cannot be written.
 */

import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { fileURLToPath } from 'node:url'
import { type Command, CommanderError } from 'commander'
import { fail, oneLine, printable, SpikewasmError } from '../base/errors.js'
import { VERSION } from '../base/version.js'
import type { WarningCode } from '../engine/platform.js'
import { writeFileAtomic } from '../files/files.js'
import { flagOf } from './spec.js'

// Stack traces that show lines of TypeScript. The package has no source maps, a clone has.

/** A line of a built file. */
const PLACE = /(file:\/\/[^\s():]+\.js):(\d+):(\d+)/g

/**
 * A stack trace with the lines of TypeScript that built lines come from. Node does the same with
 * `process.setSourceMapsEnabled`, but reads the maps of all modules for it, trace or not: an eighth
 * of the time that the command line takes to start.
 *
 * @param stack lines that have no map stay as they are
 */
export function typescriptLines(stack: string): string {
  const maps = new Map<string, SourceMap | undefined>()
  return stack.replace(PLACE, (place, url: string, line: string, column: string) => {
    if (!maps.has(url)) maps.set(url, mapOf(url))
    // Counted from 0, but in traces from 1.
    const entry = maps.get(url)?.findEntry(Number(line) - 1, Number(column) - 1)
    if (!entry || !('originalSource' in entry)) return place
    const source = fileURLToPath(new URL(entry.originalSource, url))
    return `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`
  })
}

/** What stands beside a file; undefined where there is none, as in the package. */
function mapOf(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(fileURLToPath(`${url}.map`), 'utf8')))
  } catch {
    return undefined
  }
}

/** Exit code of `bench` for anything that went wrong: 1 means a slow-down there. */
export const FAILED = 2

/**
 * Runs code that reads or writes the user's files. Readers and data sets throw a plain Error for
 * what is wrong with a file, and the operating system one with a code: both are for the user.
 * Others (TypeError, RangeError) are faults of ours and stay what they are.
 *
 * @throws SpikewasmError with the message of such an Error
 */
export async function withFiles<T>(body: () => T | Promise<T>): Promise<T> {
  try {
    return await body()
  } catch (error) {
    if (error instanceof Error && (error.constructor === Error || 'code' in error))
      fail(error.message, error)
    throw error
  }
}

/** Writes a text to a file, all of it or nothing. */
export const writeText = (path: string, text: () => string | Promise<string>): Promise<void> =>
  withFiles(async () => writeFileAtomic(path, new TextEncoder().encode(await text())))

/**
 * A message of the library in the words of the command line: `compile.batchSize must be …` →
 * `--batch-size must be …`, where there is such an option; whichever function has it.
 *
 * @param flags the command's options, for example `--batch-size`
 */
export const inFlags = (message: string, flags: readonly string[]): string =>
  message.replace(
    /^(?:[a-zA-Z]+\.)?([a-zA-Z]+)(?=(?:\[\d+\])? (?:must|is|needs) )/,
    (name, property: string) => {
      const flag = flagOf(property)
      return flags.includes(flag) ? flag : name
    },
  )

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
    const takesType = command?.options.some(({ long, argChoices }) => {
      return long === '--weights' && argChoices !== undefined
    })
    const message = error.message
      .replace(/^error: /, '')
      .replace(/\n(?=\(Did you mean [^\n]*$)/, ' ')
      .replace(/^unknown option '--precision'$/, takesType ? '$& (Did you mean --weights?)' : '$&')
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

/** What is done when output cannot be written. */
export type Guard = 'ends' | 'goesOn' | 'bench'

/**
 * A reader that goes away, as `head` does, ends a command well; a full disk is an error. But where
 * work goes on that is worth more than what is said of it, nothing of that ends it. `bench` writes
 * files yet when its reader is gone, and ends with 2 for all that nobody has caught.
 */
export function guardOutput(command: Command | undefined, how: Guard): void {
  const failure = how === 'bench' ? FAILED : 1
  let told = false
  if (how === 'bench')
    process.on('uncaughtException', (error) => process.exit(complain(error, command, failure)))
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' && how === 'ends') process.exit(0)
    if (code === 'EPIPE' || told) return
    told = true
    const problem = new SpikewasmError(`standard output could not be written: ${message}`)
    const exitCode = complain(problem, command, failure)
    if (how !== 'goesOn') process.exit(exitCode)
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
