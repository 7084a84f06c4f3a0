/**
 * A thread that writes a run's folder (Node), so that steps wait for the copy of a snapshot alone.
 */

import { fail } from '../../base/errors.js'
import type { StateDict } from '../../engine/memory/state.js'
import { expectPackageFile } from '../../engine/node/package-file.js'
import { Thread } from '../../engine/node/thread.js'
import { RunFolder } from '../../files/folder/folder.js'
import type { Writer } from './run-files.js'
import type { WriterCalls } from './writer-worker.js'

const workerFile = new URL('./writer-worker.js', import.meta.url)

/**
 * From here on the folder is the thread's.
 * @throws SpikewasmError when the file that it starts from is missing
 */
export async function threadWriter(opened: RunFolder): Promise<Writer> {
  await expectPackageFile(workerFile)
  let { names } = opened
  const folder = await opened.handOver()
  const thread = new Thread<WriterCalls>(workerFile, { workerData: folder })

  const ask = async (doing: Promise<void>): Promise<void> => {
    try {
      await doing
    } catch (error) {
      if (!thread.failure) throw error
      fail(
        `the thread that writes checkpoints ended (${(error as Error).message}); the last one is ` +
          'whole',
        error,
      )
    } finally {
      names = await thread.call('names', undefined).catch(() => names)
    }
  }

  return {
    get names() {
      return names
    },
    write(parts, waiting) {
      // Nobody else looks at a snapshot that is written.
      const transfer = buffersOf(parts.tensors, parts.best === true ? undefined : parts.best)
      return ask(thread.call('write', { parts, waiting }, { transfer }))
    },
    takeBack: (replaces) => ask(thread.call('takeBack', replaces)),
    async close() {
      try {
        await thread.call('close', undefined)
      } catch {
        // The thread has died: its lock is ours.
        await RunFolder.takeOver(folder).close()
      } finally {
        await thread.end()
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
