/** Measurements that need a process of their own. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { SpikewasmError } from '../errors.js'

const execute = promisify(execFile)

/**
 * Runs a program of ours in a fresh process.
 *
 * @param what it measures, for the error
 * @returns what its last line says in JSON
 * @throws SpikewasmError when it fails, hangs, or writes something else
 */
export async function inChild<V>(
  what: string,
  program: string,
  args: readonly string[],
  timeoutMs: number,
): Promise<V> {
  try {
    const { stdout } = await execute(process.execPath, [program, ...args], { timeout: timeoutMs })
    return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as V
  } catch (error) {
    const { stderr = '', killed = false, message } = error as Error & Partial<Failure>
    const line = stderr.split('\n').find((text) => /error/i.test(text)) ?? message.split('\n')[0]
    throw new SpikewasmError(
      `bench: the process for "${what}" ` +
        (killed ? `took more than ${timeoutMs / 1000} s` : `failed: ${line.trim()}`) +
        '; leave it out with --filter or --only',
      { cause: error },
    )
  }
}

interface Failure {
  readonly stderr: string
  readonly killed: boolean
}
