/** Worker threads over one shared memory (Node). */

import { Control, Fault } from '../../assembly/opcodes.js'
import { endOf } from './end-pool.js'
import type { Executor } from './executor.js'
import { localExecutor } from './local.js'
import { Piscina } from './vendor/piscina/index.js'
import type { WorkerSetup, WorkerTask } from './worker.js'

/** What each worker runs. */
export const workerFile = new URL('./worker.js', import.meta.url)

/**
 * One worker for each thread, one task for each worker that takes part in a run. What one worker
 * runs stays on the calling thread.
 */
export function poolExecutor(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Executor {
  const setup: WorkerSetup = { module, memory }
  const pool = new Piscina<WorkerTask, number>({
    filename: workerFile.href,
    minThreads: threads,
    maxThreads: threads,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
    workerData: setup,
  })
  // A worker that cannot start says so here, too; the run that waits for it rejects.
  pool.on('error', () => undefined)
  const end = endOf(pool)
  const control = new Int32Array(memory.buffer)
  // The first worker that fails makes the others leave their barriers within 0.1 s.
  const poison = (): void => {
    Atomics.compareExchange(control, Control.Poison / 4, Fault.None, Fault.Aborted)
    Atomics.notify(control, Control.Epoch / 4)
  }
  let disposed: Promise<void> | undefined
  let local: Executor | undefined
  return {
    async run(run) {
      if (run.workers === 1) {
        local ??= localExecutor(module, memory)
        return local.run(run)
      }
      const tasks = Array.from({ length: run.workers }, (_, worker) =>
        pool.run({ ...run, worker }).catch((error: unknown) => {
          poison()
          throw error
        }),
      )
      const results = await Promise.allSettled(tasks)
      const failed = results.find((result) => result.status === 'rejected')
      if (failed) throw failed.reason
      if (
        results.some((result) => result.status === 'fulfilled' && result.value === Fault.TimedOut)
      )
        throw new Error(`a worker did not reach a barrier within ${run.timeoutMs / 1000} s`)
      if (results.some((result) => result.status === 'fulfilled' && result.value !== Fault.None))
        throw new Error('another worker failed')
    },
    dispose() {
      poison()
      disposed ??= end()
      return disposed
    },
  }
}
