/** Worker threads over one shared memory (Node). */

import type { Worker } from 'node:worker_threads'
import { Control, Fault } from '../../../assembly/opcodes.js'
import { localExecutor } from '../load.js'
import { Piscina } from '../vendor/piscina/index.js'
import type { Executor } from './executor.js'
import { leaveThreads, type ThreadPool, takeThreads } from './idle-threads.js'
import type { WorkerData, WorkerTask } from './worker.js'

// Ends the threads of a pool (Node).

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
function endOf(pool: Pool): () => Promise<void> {
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

/** What each worker runs. */
export const workerFile = new URL('./worker.js', import.meta.url)

/** One worker for each thread, one task for each worker that takes part in a run. */
class Workers implements ThreadPool {
  readonly bytes: number
  isWhole = true
  readonly end: () => Promise<void>
  private readonly data: WorkerData
  private readonly pool: Piscina<WorkerTask, number>

  constructor(
    readonly module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    readonly threads: number,
  ) {
    this.bytes = memory.buffer.byteLength
    this.data = { setup: { module, memory } }
    this.pool = new Piscina<WorkerTask, number>({
      filename: workerFile.href,
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      idleTimeout: Number.POSITIVE_INFINITY,
      workerData: this.data,
    })
    // A worker that cannot start says so here, too; the run that waits for it rejects.
    this.pool.on('error', () => undefined)
    for (const thread of this.pool.threads)
      thread.once('exit', () => {
        this.isWhole = false
      })
    this.end = endOf(this.pool)
  }

  /**
   * For workers that the pool starts in place of those that die.
   *
   * @param memory undefined while nobody uses it: then nothing here holds it
   */
  set memory(memory: WebAssembly.Memory | undefined) {
    this.data.setup = memory && { module: this.module, memory }
  }

  run(task: WorkerTask): Promise<number> {
    return this.pool.run(task)
  }
}

/**
 * Workers that a model has left over this memory, or new ones. What one worker runs stays on the
 * calling thread.
 */
export function poolExecutor(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
): Executor {
  const left = takeThreads(module, memory, threads) as Workers | undefined
  const workers = left ?? new Workers(module, memory, threads)
  workers.memory = memory
  const control = new Int32Array(memory.buffer)
  // The first worker that fails makes the others leave their barriers within 0.1 s.
  const poison = (): void => {
    Atomics.compareExchange(control, Control.Poison / 4, Fault.None, Fault.Aborted)
    Atomics.notify(control, Control.Epoch / 4)
  }
  const runAll = async (run: Parameters<Executor['run']>[0]): Promise<void> => {
    const tasks = Array.from({ length: run.workers }, (_, worker) =>
      workers.run({ ...run, worker }).catch((error: unknown) => {
        poison()
        throw error
      }),
    )
    const results = await Promise.allSettled(tasks)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    if (results.some((result) => result.status === 'fulfilled' && result.value === Fault.TimedOut))
      throw new Error(`a worker did not reach a barrier within ${run.timeoutMs / 1000} s`)
    if (results.some((result) => result.status === 'fulfilled' && result.value !== Fault.None))
      throw new Error('another worker failed')
  }
  let disposed: Promise<void> | undefined
  let local: Executor | undefined
  /** Whether all that ran has ended well. */
  let isWell = true
  const canBeLeft = (): boolean =>
    isWell &&
    workers.isWhole &&
    memory.buffer.byteLength === workers.bytes &&
    Atomics.load(control, Control.Poison / 4) === Fault.None
  return {
    async run(run) {
      // The threads may be those of another model by now.
      if (disposed) throw new Error('its threads have ended')
      isWell = false
      if (run.workers === 1) {
        local ??= localExecutor(module, memory)
        await local.run(run)
      } else await runAll(run)
      isWell = true
    },
    dispose(leavesThreads = false) {
      if (disposed) return disposed
      if (leavesThreads && canBeLeft()) {
        workers.memory = undefined
        leaveThreads(workers, memory)
        disposed = Promise.resolve()
      } else {
        poison()
        disposed = workers.end()
      }
      return disposed
    },
  }
}
