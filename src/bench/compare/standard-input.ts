/** Text that is pasted or piped into a command. */
import { expect, SpikewasmError } from '../../errors.js'

/** Standard input, or what stands for it. */
export interface Input extends AsyncIterable<Uint8Array> {
  readonly isTTY?: boolean
  setRawMode?(isRaw: boolean): unknown
}

/** Keys of a terminal, as bytes. */
const [CTRL_C, CTRL_D, CTRL_Z] = [3, 4, 26]

/**
 * All of standard input.
 * @param limit bytes; more are refused
 * @throws SpikewasmError where nothing comes, or too much
 */
export async function readStandardInput(
  limit: number,
  input: Input = process.stdin,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let size = 0
  try {
    for await (const part of input.isTTY ? pasted(input) : input) {
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

/**
 * What is pasted into a terminal, up to Ctrl+D. It reads keys, not lines: a terminal cuts off a
 * line behind 4095 bytes, and a baseline is one long line.
 */
async function* pasted(terminal: Input): AsyncGenerator<Uint8Array> {
  terminal.setRawMode?.(true)
  process.stderr.write('Paste the baseline (it is not shown), then press Ctrl+D.\n')
  try {
    for await (const part of terminal) {
      const end = part.findIndex((byte) => [CTRL_C, CTRL_D, CTRL_Z].includes(byte))
      if (end < 0) {
        yield part
        continue
      }
      expect(
        part[end] !== CTRL_C,
        () => 'standard input: must be a baseline, got Ctrl+C before its end',
      )
      if (end > 0) yield part.subarray(0, end)
      return
    }
  } finally {
    terminal.setRawMode?.(false)
  }
}
