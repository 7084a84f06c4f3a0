import { mkdtempSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * Removes a folder and all in it. A process that was ended may leave another one that still writes
 * there for a moment: what appears meanwhile is removed too.
 */
export const removeFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 20 })

/** Runs `body` with a new empty folder that is removed afterwards. */
export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-test-'))
  try {
    return await body(folder)
  } finally {
    await removeFolder(folder)
  }
}

/** A new empty folder for the tests of a file, which is removed behind them. */
export function folderFor(test: { after(run: () => unknown): unknown }): string {
  const folder = mkdtempSync(join(tmpdir(), 'spikewasm-test-'))
  test.after(() => removeFolder(folder))
  return folder
}

/** The message of the error that `body` throws or rejects with; fails if there is none. */
export async function messageOf(body: () => unknown): Promise<string> {
  try {
    await body()
  } catch (error) {
    if (error instanceof Error) return error.message
    throw new Error(`expected an Error, got ${String(error)}`)
  }
  throw new Error('expected an error, got none')
}

/** A call that is refused, and what its message holds or matches. */
export type Refusal = readonly [call: () => unknown, message: string | RegExp]

/** Fails unless a call is refused by this message. */
export async function expectRefusal(...[call, message]: Refusal): Promise<void> {
  const found = await messageOf(call)
  const isRight = typeof message === 'string' ? found.includes(message) : message.test(found)
  if (!isRight) throw new Error(`expected ${message}, got ${found}`)
}

export async function expectRefusals(rows: Iterable<Refusal>): Promise<void> {
  for (const row of rows) await expectRefusal(...row)
}
