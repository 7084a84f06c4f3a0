/**
 * A thread that writes a run's folder (Node), so that steps wait for the copy of a snapshot alone.
 */

import { SpikewasmError } from '../../errors.js'
import { RunFolder } from '../../io/folder/folder.js'
import { endOf } from '../../runtime/end-pool.js'
import { expectPackageFile } from '../../runtime/node/package-file.js'
import type { StateDict } from '../../runtime/state.js'
import { Piscina } from '../../runtime/vendor/piscina/index.js'
import type { Writer } from './writer.js'
import type { Handed, WriterAnswer, WriterTask } from './writer-worker.js'

const workerFile = new URL('./writer-worker.js', import.meta.url)

/**
 * From here on the folder is the thread's.
 * @throws SpikewasmError when the file that it starts from is missing
 */
export async function threadWriter(opened: RunFolder): Promise<Writer> {
  await expectPackageFile(workerFile)
  let { names } = opened
  const folder = await opened.handOver()
  const pool = new Piscina<WriterTask & Handed, WriterAnswer>({
    filename: workerFile.href,
    minThreads: 1,
    maxThreads: 1,
    idleTimeout: Number.POSITIVE_INFINITY,
  })
  pool.on('error', () => undefined)
  const end = endOf(pool)

  let isFirst = true
  const ask = async (task: WriterTask, transferList: ArrayBuffer[] = []): Promise<void> => {
    const handed = isFirst ? { folder } : {}
    isFirst = false
    const answer = await pool
      .run({ ...task, ...handed }, { transferList })
      .catch((error: Error) => {
        throw new SpikewasmError(
          `the thread that writes checkpoints ended (${error.message}); the last one is whole`,
          { cause: error },
        )
      })
    names = answer.names
    if (!answer.error) return
    const { message, code, isOurs } = answer.error
    throw isOurs ? new SpikewasmError(message) : Object.assign(new Error(message), { code })
  }

  return {
    get names() {
      return names
    },
    // Nobody else looks at a snapshot that is written.
    write: (parts, waiting) =>
      ask(
        { call: 'write', parts, waiting },
        buffersOf(parts.tensors, parts.best === true ? undefined : parts.best),
      ),
    takeBack: (replaces) => ask({ call: 'takeBack', replaces }),
    async close() {
      try {
        await ask({ call: 'close' })
      } catch {
        // The thread has died: its lock is ours.
        await RunFolder.takeOver(folder).close()
      } finally {
        await end()
      }
    },
  }
}

const buffersOf = (...states: (StateDict | undefined)[]): ArrayBuffer[] => [
  ...new Set(
    states.flatMap((state) =>
      Object.values(state ?? {}).map(({ data }) => data.buffer as ArrayBuffer),
    ),
  ),
]
