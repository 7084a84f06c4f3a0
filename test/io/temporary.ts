import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Runs `body` with a new empty folder that is removed afterwards. */
export async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'spikewasm-test-'))
  try {
    await body(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
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
