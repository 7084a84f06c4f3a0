/** What lies in a run's folder, by the names that its last commit has left. */

import { partOf, type StateDict } from '../../engine/memory/state.js'
import { serializeCheckpoint } from '../../files/checkpoint.js'
import type { RunFolder } from '../../files/folder/folder.js'
import { type ModelData, type ModelJson, modelKey, saidOf } from '../../files/json.js'
import { serializeState } from '../../files/state.js'
import type { Callback } from '../callback.js'
import type { EpochRecord } from '../records.js'
import { lineOf, type Snapshot, textOf } from '../snapshot.js'

/** Names in a run's folder. */
export const runFiles = {
  weights: 'weights.safetensors',
  best: 'best.safetensors',
  options: 'options.json',
  history: 'history.jsonl',
  checkpoint: 'checkpoint.safetensors',
  /** Options of a run that is to replace the one in the folder, until it has a checkpoint. */
  next: 'options.next.json',
} as const

/** A page about the run, made of the others: it belongs to no commit, and nothing depends on it. */
export const reportFile = 'report.html'

/** Where the options of the run are that `resume` goes on with. */
export const optionsFile = (names: readonly string[]): string =>
  names.includes(runFiles.next) ? runFiles.next : runFiles.options

/** Whether that run has a checkpoint; else it goes on from its beginning. */
export const hasCheckpoint = (names: readonly string[]): boolean =>
  names.includes(runFiles.checkpoint) && !names.includes(runFiles.next)

/** The folder that a callback of `checkpoint` writes. */
export const folderOf = new WeakMap<Callback, string>()

// Who writes a run's folder while a model trains: this thread, or one of its own.

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

export interface RunParts {
  readonly tensors: StateDict
  /** What the checkpoint holds beside arrays, as JSON. */
  readonly text: string
  /** Records of complete epochs, a line each. */
  readonly lines: Uint8Array
  /** The record of an epoch that was stopped. */
  readonly partial?: Uint8Array
  /** The network and its input, as JSON. */
  readonly model: string
  /** Tensors of the best epoch since the last commit; true: those above. */
  readonly best?: StateDict | true
}

export function partsOf(
  snapshot: Snapshot,
  { best, partial }: { readonly best?: Snapshot; readonly partial?: EpochRecord },
): RunParts {
  return {
    ...textOf(snapshot),
    tensors: snapshot.tensors,
    partial: partial && lineOf(partial),
    model: modelOf(snapshot),
    best: best === snapshot || best?.tensors,
  }
}

/** The network as `model.save` writes it. */
function modelOf({ about: { setting } }: Snapshot): string {
  const { input, timeSteps, frames, method, network, data, validation } = setting
  const said = saidOf(setting as Pick<ModelJson, 'weights'>)
  const { classNames, ...known } = data as ModelData
  // Data that are augmented are not made of bytes; those that test are.
  const { normalization = (validation as ModelData | undefined)?.normalization } = known
  const about = classNames || normalization ? { classNames, normalization } : undefined
  return JSON.stringify({ input, timeSteps, frames, ...said, method, network, data: about })
}

/** Bytes by file name; what a run has not, as a best epoch, has no file. */
export async function filesOf(parts: RunParts): Promise<Record<string, Uint8Array>> {
  const { tensors, text, lines, partial, model, best } = parts
  const weights = weightsFile(tensors, model)
  const bestFile = best === true ? weights : best && weightsFile(best, model)
  return {
    [runFiles.weights]: weights,
    [runFiles.history]: partial ? Buffer.concat([lines, partial]) : lines,
    [runFiles.checkpoint]: await serializeCheckpoint({ tensors, about: {} }, { text, lines }),
    ...(bestFile ? { [runFiles.best]: bestFile } : {}),
  }
}

/** What a network predicts with: its averages where they are kept, else its parameters. */
const weightsFile = (tensors: StateDict, model: string): Uint8Array =>
  serializeState(
    { ...partOf(tensors, 'model.'), ...partOf(tensors, 'optimizer.average.') },
    { [modelKey]: model },
  )
