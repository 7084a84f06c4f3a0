/** The thread that writes a run's folder. */

import { workerData } from 'node:worker_threads'
import { type HandedFolder, RunFolder } from '../../io/folder/folder.js'
import { serveThread } from '../../runtime/node/thread.js'
import { folderWriter, type RunParts } from './run-parts.js'

const writer = folderWriter(RunFolder.takeOver(workerData as HandedFolder))

const calls = {
  write: ({ parts, waiting }: { parts: RunParts; waiting?: Uint8Array }) =>
    writer.write(parts, waiting),
  takeBack: (replaces: boolean) => writer.takeBack(replaces),
  close: () => writer.close(),
  names: () => writer.names,
}

export type WriterCalls = typeof calls

serveThread(calls)
