/** Worker threads over one shared memory (Node). */

import type { Worker } from 'node:worker_threads'
import { Control, Fault } from '../../../assembly/opcodes.js'
import { codeFile } from '../../package-files.js'
import { localExecutor } from '../load.js'
import { Piscina } from '../vendor/piscina/index.js'
import {
  type Between,
  type Executor,
  Pause,
  poison,
  problemOf,
  type RunArguments,
} from './executor.js'
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
export const workerFile = codeFile('engine/threads/worker.js')

/** One worker for each thread, one task for each worker that takes part in a run. */
class Workers implements ThreadPool {
  readonly bytes: number
  isWhole = true
  /** Called when all wait for the host between two programs. */
  paused = (): void => {}
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
    this.pool.on('message', () => this.paused())
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
export class PoolExecutor implements Executor {
  private readonly workers: Workers
  private readonly control: Int32Array
  private local: Executor | undefined
  private disposed: Promise<void> | undefined
  /** Whether all that ran has ended well. */
  private isWell = true

  constructor(
    private readonly module: WebAssembly.Module,
    private readonly memory: WebAssembly.Memory,
    threads: number,
  ) {
    const left = takeThreads(module, memory, threads) as Workers | undefined
    this.workers = left ?? new Workers(module, memory, threads)
    this.workers.memory = memory
    this.control = new Int32Array(memory.buffer)
  }

  async run(run: RunArguments & Pick<WorkerTask, 'next'>): Promise<void> {
    // The threads may be those of another model by now.
    if (this.disposed) throw new Error('its threads have ended')
    this.isWell = false
    if (run.workers === 1) {
      this.local ??= localExecutor(this.module, this.memory)
      await this.local.run(run)
    } else await this.runAll(run)
    this.isWell = true
  }

  async runBoth(run: RunArguments, next: number, between: Between): Promise<void> {
    const { control, workers } = this
    const set = (pause: number): void => {
      Atomics.store(control, Control.Pause / 4, pause)
      Atomics.notify(control, Control.Pause / 4)
    }
    set(Pause.Waits)
    const paused = new Promise<void>((resolve) => {
      workers.paused = resolve
    })
    const running = this.run({ ...run, next })
    await Promise.race([paused, running])
    // One that fails meanwhile is told behind it.
    running.catch(() => undefined)
    set((await between()) ? Pause.None : Pause.Ends)
    await running
  }

  dispose(leavesThreads = false): Promise<void> {
    this.disposed ??= this.end(leavesThreads)
    return this.disposed
  }

  private async runAll(run: Omit<WorkerTask, 'worker'>): Promise<void> {
    const tasks = Array.from({ length: run.workers }, (_, worker) =>
      this.workers.run({ ...run, worker }).catch((error: unknown) => {
        poison(this.control)
        throw error
      }),
    )
    const results = await Promise.allSettled(tasks)
    const failed = results.find((result) => result.status === 'rejected')
    if (failed) throw failed.reason
    const problem = problemOf(await Promise.all(tasks), run.timeoutMs)
    if (problem) throw problem
  }

  private async end(leavesThreads: boolean): Promise<void> {
    const { workers, memory, control } = this
    const canBeLeft =
      this.isWell &&
      workers.isWhole &&
      memory.buffer.byteLength === workers.bytes &&
      Atomics.load(control, Control.Poison / 4) === Fault.None
    if (leavesThreads && canBeLeft) {
      workers.memory = undefined
      leaveThreads(workers, memory)
      return
    }
    poison(control)
    await workers.end()
  }
}
