/** Who writes a run's folder while a model trains: this thread, or one of its own. */

import type { RunFolder } from '../../io/folder/folder.js'
import { runFiles } from './run-files.js'
import { filesOf, type RunParts } from './run-parts.js'

export interface Writer {
  /** Names of the files that the last commit has left. */
  readonly names: readonly string[]
  /**
   * Commits what a snapshot holds.
   * @param waiting options of a run that replaces the one in the folder
   * @throws SpikewasmError when it cannot be written; the folder is then whole
   */
  write(parts: RunParts, waiting?: Uint8Array): Promise<void>
  /** Leaves the folder as it was before a run that came to nothing. */
  takeBack(replaces: boolean): Promise<void>
  close(): Promise<void>
}

export function folderWriter(folder: RunFolder): Writer {
  return {
    get names() {
      return folder.names
    },
    async write(parts, waiting) {
      const files = await filesOf(parts)
      if (waiting) await folder.commit({ ...files, [runFiles.options]: waiting }, { alone: true })
      else await folder.commit(files)
    },
    takeBack: (replaces) =>
      replaces ? folder.commit({}, { without: [runFiles.next] }) : folder.discard(),
    close: () => folder.close(),
  }
}
