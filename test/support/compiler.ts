/** TypeScript's compiler as a command: it takes a fifth of the time of the one for programs. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const tsc = fileURLToPath(new URL('../../../node_modules/typescript-7/bin/tsc', import.meta.url))

/**
 * Compiles the project of a tsconfig.json, whose files it emits nothing for.
 *
 * @returns what the compiler writes: errors, and with --listFiles what it has read
 */
export async function compile(config: string, ...options: string[]): Promise<string> {
  const args = [tsc, '-p', config, '--noEmit', '--pretty', 'false', ...options]
  const run = promisify(execFile)(process.execPath, args, { maxBuffer: 2 ** 26 })
  const { stdout } = await run.catch((error: { stdout?: string }) => {
    if (error.stdout === undefined) throw error
    return { stdout: error.stdout }
  })
  return stdout
}
