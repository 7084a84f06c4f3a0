/** Workers of a page over one shared memory. The page itself never waits. */

import type { RecordTime } from '../run/record-times.js'
import { type Executor, poison, problemOf, type RunArguments } from '../threads/executor.js'
import { Go, Kind, type SharedNews } from './protocol.js'
import { PageWorker } from './start.js'
import type { PageCalls } from './worker.js'

/** A run that goes on. */
interface Running {
  readonly workers: number
  readonly timeoutMs: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

/**
 * One worker for each thread; one alone where a run takes no more. Nothing runs on the calling
 * thread.
 */
export class SharedExecutor implements Executor {
  readonly ready: Promise<unknown>
  private readonly go: Int32Array
  private readonly control: Int32Array
  private readonly workers: readonly PageWorker<PageCalls>[]
  private running: Running | undefined
  private failure: Error | undefined
  /** Set before a run that is timed ends. */
  private times!: readonly RecordTime[]
  /** The last kernels that workers have got. */
  private kernels: number | undefined
  private disposed: Promise<void> | undefined

  /** @param url of the workers' script; default: part of this code */
  constructor(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    threads: number,
    url?: string | URL,
  ) {
    const go = new Int32Array(new SharedArrayBuffer(4 * Go.Line * (threads + 1)))
    this.go = go
    this.control = new Int32Array(memory.buffer)
    const onNews = (news: SharedNews): void => {
      if (news === 'done') this.finish()
      else this.times = news
    }
    this.workers = Array.from({ length: threads }, (_, worker) => {
      const side = new PageWorker<PageCalls>(url)
      // A kernel that traps ends its work.
      side.call('work', { module, memory, go, worker }, { onNews }).catch(this.fail)
      return side
    })
    this.ready = Promise.all(this.workers.map((worker) => worker.ready))
    // Who waits for a run, or for `ready`, is told.
    this.ready.catch(() => undefined)
  }

  run(run: RunArguments): Promise<void> {
    return this.start(Kind.Run, run)
  }

  async time(run: RunArguments): Promise<readonly RecordTime[]> {
    await this.start(Kind.Time, { ...run, workers: 1 })
    return this.times
  }

  dispose(): Promise<void> {
    this.disposed ??= this.end()
    return this.disposed
  }

  private async start(kind: number, run: RunArguments): Promise<void> {
    const { go } = this
    await this.ready
    const { program, workers, scratch, scratchBytes, spins, timeoutMs, kernels } = run
    return new Promise((resolve, reject) => {
      if (this.failure) throw this.failure
      this.running = { workers, timeoutMs, resolve, reject }
      if (kernels && kernels.id !== this.kernels) {
        this.kernels = kernels.id
        for (const worker of this.workers) worker.call('take', kernels).catch(this.fail)
      }
      const words = [program, workers, scratch, scratchBytes, spins, timeoutMs]
      go.set([kind, ...words, kernels?.id ?? 0], Go.Kind)
      Atomics.store(go, Go.Pending, workers)
      for (let worker = 0; worker < workers; worker++) this.wake(worker)
    })
  }

  private wake(worker: number): void {
    const at = Go.Line * (worker + 1) + Go.Started
    Atomics.add(this.go, at, 1)
    Atomics.notify(this.go, at)
  }

  private finish(): void {
    if (!this.running) return
    const { workers, timeoutMs, resolve } = this.running
    const faults = Array.from({ length: workers }, (_, w) => this.go[Go.Line * (w + 1) + Go.Fault])
    const problem = problemOf(faults, timeoutMs)
    if (problem) this.fail(problem)
    else resolve()
    this.running = undefined
  }

  private readonly fail = (error: Error): void => {
    // The memory may be another model's by then.
    if (this.failure) return
    this.failure = error
    poison(this.control)
    this.running?.reject(error)
    this.running = undefined
  }

  private async end(): Promise<void> {
    this.fail(new Error('the workers were ended'))
    // One that sleeps would hear of it late: Chromium waits for two seconds.
    Atomics.store(this.go, Go.Kind, Kind.End)
    for (const worker of this.workers.keys()) this.wake(worker)
    await Promise.all(this.workers.map((worker) => worker.end()))
  }
}
