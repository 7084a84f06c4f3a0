/**
 * Threads of models that are done, for the next ones over the same memory: to start a thread takes
 * tens of milliseconds. They wait for a moment, and no longer than their memory is there.
 *
 * Threads never change their memory. So nothing of a model can stay in them, and a memory that is
 * let go takes its threads along.
 */

import { availableParallelism } from './processors.js'

/** How long threads wait for the next model, in milliseconds; tests change it. */
export const patience = { ms: 5000 }
/** How many threads may wait. */
export const mostThreads = (): number => Math.max(12, 2 * availableParallelism())

/** Threads over one memory. It holds no reference to the memory while it waits. */
export interface ThreadPool {
  readonly module: WebAssembly.Module
  readonly threads: number
  /** Bytes of the memory when the threads began. */
  readonly bytes: number
  /** False once a thread has ended. */
  readonly isWhole: boolean
  end(): Promise<void>
}

interface Entry<P extends ThreadPool = ThreadPool> {
  readonly pool: P
  readonly memory: WeakRef<WebAssembly.Memory>
  readonly timer: ReturnType<typeof setTimeout>
}

/** The longest waiting first. */
let waiting: Entry[] = []
const collected = new FinalizationRegistry<Entry>((entry) => void endAll([entry]))

/** Leaves threads that are well to the next model over the memory. */
export function leaveThreads(pool: ThreadPool, memory: WebAssembly.Memory): void {
  const timer = setTimeout(() => void endAll([entry]), patience.ms)
  timer.unref?.()
  const entry: Entry = { pool, memory: new WeakRef(memory), timer }
  collected.register(memory, entry, entry)
  waiting.push(entry)
  const most = mostThreads()
  let count = waiting.reduce((sum, of) => sum + of.pool.threads, 0)
  const surplus = waiting.filter(({ pool }) => {
    const isSurplus = count > most
    if (isSurplus) count -= pool.threads
    return isSurplus
  })
  void endAll(surplus)
}

/** Threads that wait for a model of that kind, if there are any. They wait no longer. */
export function takeThreads(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): ThreadPool | undefined {
  // See `hold`: threads of a memory that has grown may not know its size.
  const stale = ({ pool, memory: of }: Entry): boolean => {
    const held = of.deref()
    return !pool.isWhole || !held || held.buffer.byteLength !== pool.bytes
  }
  void endAll(waiting.filter(stale))
  const found = entryOf(module, memory, threads)
  if (found) remove(found)
  return found?.pool
}

/** Whether threads wait for a model of that kind. */
export const haveThreads = (...of: Parameters<typeof takeThreads>): boolean =>
  entryOf(...of) !== undefined

const entryOf = (
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Entry | undefined =>
  waiting.findLast(
    ({ pool, memory: of }) =>
      of.deref() === memory && pool.module === module && pool.threads === threads,
  )

/** Ends all threads that wait, so that no memory is held by them. */
export const endThreads = (): Promise<void> => endAll(waiting)

async function endAll(entries: readonly Entry[]): Promise<void> {
  const ended = entries.map((entry) => {
    remove(entry)
    return entry.pool.end()
  })
  await Promise.all(ended)
}

function remove(entry: Entry): void {
  clearTimeout(entry.timer)
  collected.unregister(entry)
  waiting = waiting.filter((other) => other !== entry)
}
