/** The thread that writes a run's folder. */

import { workerData } from 'node:worker_threads'
import { serveThread } from '../../engine/node/thread.js'
import { type HandedFolder, RunFolder } from '../../files/folder/folder.js'
import { folderWriter, type RunParts } from './run-files.js'

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
