/** Text that is pasted or piped into a command. */
import { expect, SpikewasmError } from '../../errors.js'

/**
 * All of standard input.
 * @param limit bytes; more are refused
 * @throws SpikewasmError where nothing comes, or too much
 */
export async function readStandardInput(limit: number): Promise<Uint8Array> {
  if (process.stdin.isTTY)
    process.stderr.write('Paste the baseline, then end it with Ctrl+D (Windows: Ctrl+Z, Enter).\n')
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of process.stdin as AsyncIterable<Uint8Array>) {
      size += part.length
      expect(
        size <= limit,
        () => `standard input: must be a baseline of at most ${limit} bytes, got more`,
      )
      parts.push(part)
    }
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    throw new SpikewasmError(`standard input cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  }
  expect(
    size > 0,
    () => 'standard input: must be a baseline, got nothing; paste one, or name a file',
  )
  return Buffer.concat(parts)
}
