/** The surroundings in Node, and in Bun and Deno, which have Node's modules. Registers them. */

import { AsyncLocalStorage } from 'node:async_hooks'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { pathToFileURL } from 'node:url'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { files } from '../../package-files.js'
import { localExecutor } from '../load.js'
import { type Callers, type Collector, type Platform, registerPlatform } from '../platform.js'
import { addressLimit, expectPackageFile, expectThreads } from './thread.js'

// Who a call comes from: code that an operation waits for must not wait for that operation.

interface Frame {
  readonly of: object
  readonly outer: Frame | undefined
}

const frames = new AsyncLocalStorage<Frame>()

const callers: Callers = {
  run: (of, body) => frames.run({ of, outer: frames.getStore() }, body),
  isWithin(of) {
    for (let frame = frames.getStore(); frame; frame = frame.outer) if (frame.of === of) return true
    return false
  },
}

export const nodePlatform: Platform = {
  kind: 'node',
  callers,
  processors: availableParallelism,
  sharesMemory: (threads) => threads > 1,
  async executors(workers) {
    if (workers === 1) return localExecutor
    const { PoolExecutor, workerFile } = await import('../threads/pool.js')
    await expectPackageFile(workerFile)
    return (...of) => new PoolExecutor(...of)
  },
  address(where) {
    if (where instanceof URL) return where
    return /^[a-z]{2,}:/i.test(where) ? new URL(where) : pathToFileURL(where)
  },
  packageFile: (path) => files[path]?.(),
  async readPackageFile(url) {
    if (url.protocol === 'file:') return plain(await readFile(url))
    const answer = await fetch(url)
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`)
    return new Uint8Array(await answer.arrayBuffer())
  },
  readPackageFileSync: (url) => plain(readFileSync(url)),
  addressLimit,
  expectThreads,
  collector: async () => collector(),
  wideSettings: async (of) => (await import('../revectorize.js')).wideSettings(of),
  warn(message, code) {
    process.emitWarning(message, { type: 'SpikewasmWarning', code })
  },
}

// For those that import this file alone; `node.ts` registers more.
registerPlatform(nodePlatform)

/** The same bytes as a plain array: the `slice` of a Buffer would not copy. */
const plain = ({ buffer, byteOffset, byteLength }: Buffer): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

// V8's garbage collector, in Node.

/** Undefined where there is no way to ask for a collection. */
export function collector(): Collector | undefined {
  const heapBytes = (): number => getHeapStatistics().used_heap_size
  const { gc } = globalThis as { gc?: Collector['run'] }
  if (gc) return { run: gc, heapBytes }
  // The function that the flag gives to new contexts stays when the flag is gone.
  setFlagsFromString('--expose-gc')
  const run = runInNewContext('gc') as Collector['run'] | undefined
  setFlagsFromString('--no-expose-gc')
  return run && { run, heapBytes }
}
