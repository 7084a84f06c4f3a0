/** The thread that writes a run's folder. */

import { SpikewasmError } from '../../errors.js'
import { type HandedFolder, RunFolder } from '../../io/folder/folder.js'
import type { RunParts } from './run-parts.js'
import { folderWriter, type Writer } from './writer.js'

export type WriterTask =
  | { readonly call: 'write'; readonly parts: RunParts; readonly waiting?: Uint8Array }
  | { readonly call: 'takeBack'; readonly replaces: boolean }
  | { readonly call: 'close' }

export interface WriterAnswer {
  readonly names: readonly string[]
  /** Errors lose their kind on the way. */
  readonly error?: { readonly message: string; readonly code?: string; readonly isOurs: boolean }
}

let writer: Writer | undefined

/** With the first task of a run. */
export interface Handed {
  readonly folder?: HandedFolder
}

export default async function run(task: WriterTask & Handed): Promise<WriterAnswer> {
  if (task.folder) writer = folderWriter(RunFolder.takeOver(task.folder))
  // A thread in place of one that has died does not know what that one has written.
  if (!writer) throw new Error('it was started anew')
  try {
    if (task.call === 'write') await writer.write(task.parts, task.waiting)
    else if (task.call === 'takeBack') await writer.takeBack(task.replaces)
    else await writer.close()
    return { names: writer.names }
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException
    return {
      names: writer.names,
      error: { message, code, isOurs: error instanceof SpikewasmError },
    }
  }
}
