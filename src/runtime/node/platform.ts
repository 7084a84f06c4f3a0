/** The surroundings in Node, and in Bun and Deno, which have Node's modules. Registers them. */

import { readFileSync } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { broken } from '../load.js'
import { localExecutor } from '../local.js'
import { type Platform, registerPlatform } from '../platform.js'
import { poolExecutor, workerFile } from '../pool.js'

export const nodePlatform: Platform = {
  kind: 'node',
  processors: availableParallelism,
  sharesMemory: (threads) => threads > 1,
  async executors(workers) {
    if (workers === 1) return localExecutor
    await expectPackageFile(workerFile)
    return poolExecutor
  },
  readPackageFile: async (url) => plain(await readFile(url)),
  readPackageFileSync: (url) => plain(readFileSync(url)),
  warn(message, code) {
    process.emitWarning(message, { type: 'SpikewasmWarning', code })
  },
}

registerPlatform(nodePlatform)

/**
 * For files that threads start from: a thread that finds none would end the process.
 *
 * @throws SpikewasmError when a file of the package is missing
 */
export async function expectPackageFile(url: URL): Promise<void> {
  await access(url).catch((error: unknown) => {
    throw broken(url, error)
  })
}

/** The same bytes as a plain array: the `slice` of a Buffer would not copy. */
function plain({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}
