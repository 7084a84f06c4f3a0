/** Ends the threads of a pool (Node). */

import type { Worker } from 'node:worker_threads'

/** What of a pool is asked for here. */
interface Pool {
  readonly threads: Worker[]
  /** A thread that takes the place of one that died is told of once it has loaded. */
  on(event: 'workerCreate', listener: (worker: { readonly id: number }) => void): unknown
  destroy(): Promise<void>
}

/**
 * To be called where a pool is made; what it gives ends all threads. A thread that still loads its
 * modules is waited for: Node may abort the whole process where one is ended amid an import.
 */
export function endOf(pool: Pool): () => Promise<void> {
  const loading = new Map<Worker, Promise<void>>()
  const first = pool.threads
  const loaded = new Set<number>()
  pool.on('workerCreate', ({ id }) => void loaded.add(id))
  // A thread's first message says that it has loaded.
  const watch = (thread: Worker): void => {
    const done = new Promise<void>((resolve) => {
      for (const event of ['message', 'error', 'exit']) thread.once(event, () => resolve())
    })
    loading.set(
      thread,
      done.then(() => void loading.delete(thread)),
    )
  }
  for (const thread of first) watch(thread)
  return async () => {
    for (const thread of pool.threads)
      if (!first.includes(thread) && !loaded.has(thread.threadId)) watch(thread)
    for (const thread of loading.keys()) thread.ref()
    await Promise.all(loading.values())
    await pool.destroy()
  }
}
