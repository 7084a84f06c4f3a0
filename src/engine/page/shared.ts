/** Workers of a page over one shared memory. The page itself never waits. */

import { Control, Fault } from '../../../assembly/opcodes.js'
import type { RecordTime } from '../run/record-times.js'
import type { Executor, RunArguments } from '../threads/executor.js'
import { argumentsOf, Go, Kind, type SharedNews } from './protocol.js'
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
 *
 * @param url of the workers' script; default: part of this code
 */
export function sharedExecutor(
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  threads: number,
  url?: string | URL,
): Executor {
  const go = new Int32Array(new SharedArrayBuffer(4 * Go.Line * (threads + 1)))
  const control = new Int32Array(memory.buffer)
  let running: Running | undefined
  let failure: Error | undefined
  let times: readonly RecordTime[] = []
  // Workers that wait for one that is gone leave their barriers within 0.1 s.
  const poison = (): void => {
    Atomics.compareExchange(control, Control.Poison / 4, Fault.None, Fault.Aborted)
    Atomics.notify(control, Control.Epoch / 4)
  }
  const fail = (error: Error): void => {
    // The memory may be another model's by then.
    if (failure) return
    failure = error
    poison()
    running?.reject(failure)
    running = undefined
  }
  const finish = (): void => {
    if (!running) return
    const { workers, timeoutMs } = running
    const faults = Array.from({ length: workers }, (_, w) => go[Go.Line * (w + 1) + Go.Fault])
    if (faults.includes(Fault.TimedOut))
      fail(new Error(`a worker did not reach a barrier within ${timeoutMs / 1000} s`))
    else if (faults.some((fault) => fault !== Fault.None)) fail(new Error('another worker failed'))
    else {
      running.resolve()
      running = undefined
    }
  }
  const onNews = (news: SharedNews): void => {
    if (news === 'done') finish()
    else times = news
  }
  const workers = Array.from({ length: threads }, (_, worker) => {
    const side = new PageWorker<PageCalls>(url)
    // A kernel that traps ends its work.
    side.call('work', { module, memory, go, worker }, { onNews }).catch(fail)
    return side
  })
  const ready = Promise.all(workers.map((worker) => worker.ready))
  // Who waits for a run, or for `ready`, is told.
  ready.catch(() => undefined)
  const wake = (worker: number): void => {
    const at = Go.Line * (worker + 1) + Go.Started
    Atomics.add(go, at, 1)
    Atomics.notify(go, at)
  }
  /** The last kernels that workers were told of. */
  let told: number | undefined
  const tell = ({ kernels }: RunArguments): void => {
    go[Go.Kernels] = kernels?.id ?? 0
    if (!kernels || kernels.id === told) return
    told = kernels.id
    for (const worker of workers) worker.call('take', kernels).catch(fail)
  }
  const start = (kind: number, run: RunArguments): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failure) {
        reject(failure)
        return
      }
      const { workers, timeoutMs } = run
      running = { workers, timeoutMs, resolve, reject }
      tell(run)
      go.set([kind, ...argumentsOf(run)], Go.Kind)
      Atomics.store(go, Go.Pending, workers)
      for (let worker = 0; worker < workers; worker++) wake(worker)
    })
  let disposed: Promise<void> | undefined
  return {
    ready,
    async run(run) {
      await ready
      await start(Kind.Run, run)
    },
    async time(run) {
      await ready
      await start(Kind.Time, { ...run, workers: 1 })
      return times
    },
    dispose() {
      disposed ??= endAll()
      return disposed
    },
  }

  async function endAll(): Promise<void> {
    fail(new Error('the workers were ended'))
    // One that sleeps would hear of it late: Chromium waits for two seconds.
    Atomics.store(go, Go.Kind, Kind.End)
    for (const worker of workers.keys()) wake(worker)
    await Promise.all(workers.map((worker) => worker.end()))
  }
}
