/**
 * Two kinds of errors: a user's mistake is shown as one line, a fault of the program with its stack
 * trace.
 */

import { fail } from '../errors.js'
import { writeFileAtomic } from '../io/files.js'

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
export function inFlags(message: string, flags: readonly string[]): string {
  return message.replace(
    /^(?:[a-zA-Z]+\.)?([a-zA-Z]+)(?=(?:\[\d+\])? (?:must|is|needs) )/,
    (name, property: string) => {
      const flag = `--${property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
      return flags.includes(flag) ? flag : name
    },
  )
}
