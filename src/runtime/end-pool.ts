/** Ends the threads of a pool (Node). */

import type { Worker } from 'node:worker_threads'

/** What of a pool is asked for here. */
interface Pool {
  readonly threads: Worker[]
  destroy(): Promise<void>
}

/**
 * To be called where a pool is made; what it gives ends all threads. A thread that still loads its
 * modules is waited for: Node may abort the whole process where one is ended amid an import.
 */
export function endOf(pool: Pool): () => Promise<void> {
  // A thread's first message says that it has loaded.
  const loading = new Map<Worker, Promise<void>>()
  for (const thread of pool.threads)
    loading.set(
      thread,
      new Promise((resolve) => {
        const done = (): void => {
          loading.delete(thread)
          resolve()
        }
        thread.once('message', done)
        thread.once('error', done)
        thread.once('exit', done)
      }),
    )
  return async () => {
    for (const thread of loading.keys()) thread.ref()
    await Promise.all(loading.values())
    await pool.destroy()
  }
}
