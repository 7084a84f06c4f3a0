/** The threads of a worker that do jobs of replicas. */

import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { SpikewasmError } from '../../errors.js'
import type { ReplicaHost } from './kind.js'
import type { ReplicaDone } from './runner.js'
import type { FromThread, ToThread } from './thread.js'
import type { ReplicaJob } from './wire.js'

/** So long a thread may go on that was asked to end; a step takes less. */
const ENDS_WITHIN_MS = 20_000
/** The longest time that a timer of Node knows; a longer one would end at once. */
const MOST_MS = 2 ** 31 - 1
const LOOK_MS = 500

interface Thread {
  readonly worker: Worker
  /** Of which training its model is. */
  setting?: string
  busy: boolean
}

/**
 * Threads that run a script which calls `serveReplicas`; as many as there are jobs at a time.
 *
 * @param workerData what the script is told
 */
export function replicaThreads(script: URL, workerData: unknown): ReplicaHost {
  const threads: Thread[] = []
  /** Those that do a job; the last one has begun last. */
  const going: Thread[] = []

  const begin = (memoryMB: number): Thread => {
    const resourceLimits = { maxOldGenerationSizeMb: memoryMB }
    const thread = { worker: new Worker(script, { workerData, resourceLimits }), busy: true }
    threads.push(thread)
    // Between jobs nobody else listens.
    thread.worker.on('error', () => {})
    thread.worker.once('exit', () => void drop(thread))
    return thread
  }

  const take = (job: ReplicaJob, memoryMB: number): Thread => {
    const idle = threads.filter(({ busy }) => !busy)
    const found = idle.find(({ setting }) => setting === job.setting) ?? idle[0]
    const thread = found ?? begin(memoryMB)
    thread.busy = true
    thread.setting = job.setting
    return thread
  }

  /** A thread that is in an unknown state is not used again. */
  const drop = async (thread: Thread): Promise<void> => {
    const at = threads.indexOf(thread)
    if (at >= 0) threads.splice(at, 1)
    await thread.worker.terminate()
  }

  return {
    async run(job, bytes, { signal, limits, data, cache }) {
      if (signal.aborted) return undefined
      const thread = take(job, limits.memoryMB)
      const { worker } = thread
      const send = (message: ToThread, moved: ArrayBuffer[] = []): void =>
        worker.postMessage(message, moved)
      let timer: NodeJS.Timeout | undefined
      let problem: Error | undefined
      const end = (error: Error): void => {
        problem ??= error
        void worker.terminate()
      }
      const giveUp = (error: Error, ms: number): void => {
        clearTimeout(timer)
        if (ms <= MOST_MS) timer = setTimeout(() => end(error), ms)
      }
      // Hardly anything of a network is in the thread's heap. Which thread has taken what nobody
      // tells; it was enough for those that have begun before.
      const look = setInterval(() => {
        const memoryMB = process.memoryUsage.rss() / 2 ** 20
        if (going.at(-1) === thread && memoryMB > limits.memoryMB * going.length)
          end(tooMuch(memoryMB / going.length, limits.memoryMB))
      }, LOOK_MS)
      going.push(thread)
      const onAbort = (): void => {
        send({ what: 'abort' })
        giveUp(new Error('its thread did not end'), ENDS_WITHIN_MS)
      }
      signal.addEventListener('abort', onAbort, { once: true })
      giveUp(
        new Error(`a replica took longer than its limit of ${limits.seconds} s (--time-limit)`),
        1000 * limits.seconds,
      )
      try {
        const moved = Object.values(bytes).map(({ buffer }) => buffer as ArrayBuffer)
        send({ what: 'run', job, bytes, files: { data, cache } }, moved)
        const answer = await answerOf(worker)
        thread.busy = false
        return readAnswer(answer)
      } catch (error) {
        // What failed may have left anything behind.
        if (!(error instanceof SpikewasmError)) await drop(thread)
        throw problem ?? error
      } finally {
        thread.busy = false
        going.splice(going.indexOf(thread), 1)
        clearTimeout(timer)
        clearInterval(look)
        signal.removeEventListener('abort', onAbort)
      }
    },
    async close() {
      await Promise.all(threads.splice(0).map(({ worker }) => worker.terminate()))
    },
  }
}

const tooMuch = (memoryMB: number, limit: number): Error =>
  new SpikewasmError(
    `the replica took ${Math.round(memoryMB)} MB of memory with its worker, more than its limit ` +
      `of ${Math.round(limit)} MB (--memory-limit)`,
  )

/** @throws Error when the thread ends without one */
async function answerOf(worker: Worker): Promise<FromThread> {
  const settled = new AbortController()
  const { signal } = settled
  try {
    // `once` rejects with what the thread throws.
    const [answer] = (await Promise.race([
      once(worker, 'message', { signal }),
      once(worker, 'exit', { signal }).then(() => {
        throw new Error('the thread of a replica has ended')
      }),
    ])) as [FromThread]
    return answer
  } finally {
    settled.abort()
  }
}

function readAnswer(answer: FromThread): ReplicaDone | undefined {
  if (answer.what === 'done') return answer.done
  if (answer.isOurs) throw new SpikewasmError(answer.message)
  throw new Error(answer.message)
}
