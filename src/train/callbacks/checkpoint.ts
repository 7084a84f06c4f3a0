/** Writes a run's folder while a model trains, so that the training can go on after any end. */

import { checkOptions, describe, expect, SpikewasmError } from '../../errors.js'
import { serializeCheckpoint } from '../../io/checkpoint.js'
import type { RunFolder } from '../../io/folder/folder.js'
import { type ModelData, modelKey } from '../../io/model-json.js'
import { serializeState } from '../../io/state.js'
import type { StateDict } from '../../runtime/state.js'
import type { Callback, Training } from '../callback.js'
import type { EpochRecord, History } from '../records.js'
import type { Snapshot } from '../snapshot.js'

/** What an epoch is judged by. */
export type Monitor = 'testAccuracy' | 'testLoss' | 'trainAccuracy' | 'trainLoss'

/** What can be judged by. */
export const monitors: readonly Monitor[] = [
  'testAccuracy',
  'testLoss',
  'trainAccuracy',
  'trainLoss',
]

/** Options of `checkpoint`; all but `dir` have a default. */
export interface CheckpointOptions {
  /** The folder; it is made where there is none. */
  dir: string
  /**
   * When a checkpoint is written beside those behind each epoch: after so many steps, or minutes
   * (`'5m'`). Default 'epoch': behind epochs alone.
   */
  every?: number | `${number}m` | 'epoch'
  /**
   * By what the epoch is chosen whose weights `best.safetensors` holds. Default 'testAccuracy', or
   * 'trainLoss' without validation data.
   */
  monitor?: Monitor
  /** Writes over a run that is in the folder already; default false. */
  overwrite?: boolean
}

/** Names in a run's folder. */
export const runFiles = {
  weights: 'weights.safetensors',
  best: 'best.safetensors',
  options: 'options.json',
  history: 'history.jsonl',
  checkpoint: 'checkpoint.safetensors',
} as const

/** What the callback keeps from checkpoint to checkpoint. */
interface Kept {
  readonly best: number | null
}

/** When a checkpoint is due. */
export interface Due {
  /** After how many steps, or milliseconds; neither: behind epochs alone. */
  readonly steps?: number
  readonly ms?: number
}

/** @throws SpikewasmError for what is no number of steps or minutes */
export function dueOf(name: string, every: number | string): Due {
  if (every === 'epoch') return {}
  const minutes = /^(\d+(?:\.\d+)?)m$/.exec(String(every))?.[1]
  if (minutes !== undefined && Number(minutes) > 0) return { ms: Number(minutes) * 60_000 }
  expect(
    Number.isInteger(every) && (every as number) >= 1,
    () =>
      `${name} must be a number of steps, such as 100, of minutes, such as '5m', or 'epoch', got ` +
      describe(every),
  )
  return { steps: every as number }
}

/**
 * Writes the folder of a run: `weights.safetensors` (the last), `best.safetensors`, `history.jsonl`
 * (a record a line), and `checkpoint.safetensors`, from which `fit({ resume: dir })` goes on to the
 * bit. All of them change together or not at all, whatever ends the process.
 * @throws SpikewasmError for wrong options; when training starts, for a folder that holds a run, or
 *   in which another process writes
 */
export function checkpoint(options: CheckpointOptions): Callback {
  checkOptions('checkpoint', options, ['dir', 'every', 'monitor', 'overwrite'])
  const { dir, every = 'epoch', monitor, overwrite = false } = options
  expect(
    typeof dir === 'string' && dir !== '',
    () => `checkpoint.dir must be the path of a folder, got ${describe(dir)}`,
  )
  expect(
    monitor === undefined || monitors.includes(monitor),
    () => `checkpoint.monitor must be one of ${monitors.join(', ')}, got ${describe(monitor)}`,
  )
  const due = dueOf('checkpoint.every', every)
  return runWriter({
    due,
    monitor,
    async open({ resumed }) {
      const { RunFolder } = await import('../../io/folder/folder.js')
      const folder = await RunFolder.open(dir)
      if (resumed || overwrite || folder.names.length === 0) return folder
      await folder.close()
      throw new SpikewasmError(
        `checkpoint.dir: ${dir} holds a run; give fit resume to go on, or checkpoint overwrite: ` +
          'true to begin anew',
      )
    },
    first: (snapshot) => ({
      [runFiles.options]: encode(`${JSON.stringify(snapshot.about.setting, undefined, 2)}\n`),
    }),
  })
}

type Files = Readonly<Record<string, Uint8Array>>

/** What a run is written with. */
export interface RunWriterParts {
  readonly due: Due
  readonly monitor?: Monitor
  open(start: { readonly resumed: boolean }): Promise<RunFolder>
  /** Files that are written once, when the run begins. */
  first?(snapshot: Snapshot): Files
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** The callback behind `checkpoint`. */
export function runWriter({ due, monitor, open, first }: RunWriterParts): Callback {
  let folder: RunFolder | undefined
  let epochs = 0
  let best: number | null = null
  /** The commit that is being written, and what went wrong with it. */
  let writing: Promise<void> = Promise.resolve()
  let failure: { readonly error: unknown } | undefined
  let writtenAt = 0
  let partial: EpochRecord | undefined

  const write = async (
    training: Training,
    more: (snapshot: Snapshot) => Files = () => ({}),
    ended?: string,
  ): Promise<void> => {
    const to = folder
    if (!to) return
    // One at a time: a disk that is slower than the training slows it down.
    await writing
    if (failure) throw failure.error
    const taken = training.snapshot()
    const snapshot = ended === undefined ? taken : { ...taken, about: { ...taken.about, ended } }
    const stopped = partial
    writtenAt = performance.now()
    writing = (async () => {
      await to.commit({
        [runFiles.weights]: modelFile(snapshot),
        [runFiles.history]: historyOf(snapshot, stopped),
        [runFiles.checkpoint]: await serializeCheckpoint(snapshot),
        ...more(snapshot),
      })
    })().catch((error: unknown) => {
      failure = { error }
    })
  }

  return {
    name: 'checkpoint',
    last: true,
    async onFitStart(start, training) {
      const { resumed } = start
      epochs = start.epochs
      folder = await open({ resumed })
      writtenAt = performance.now()
      if (!resumed && first) await folder.commit(first(training.snapshot()), { alone: true })
    },
    async onStep({ epoch, steps, step }, training) {
      const done = epoch * steps + step + 1
      const now = performance.now()
      const bySteps = due.steps !== undefined && done % due.steps === 0
      if (bySteps || (due.ms !== undefined && now - writtenAt >= due.ms)) await write(training)
    },
    async onEpoch(record, training) {
      if (record.partial) {
        partial = record
        return
      }
      const value =
        record[monitor ?? (record.testAccuracy === undefined ? 'trainLoss' : 'testAccuracy')]
      const isBest = value !== undefined && isBetter(value, best, monitor ?? 'testAccuracy', record)
      if (isBest) best = value
      const withBest = (snapshot: Snapshot): Files => ({
        [runFiles.best]: modelFile(snapshot),
      })
      await write(training, isBest ? withBest : undefined)
    },
    async onFitEnd(history: History | undefined, training) {
      try {
        // After an error the last checkpoint is the one to go on from.
        if (history) await write(training, undefined, endOf(history, epochs))
        await writing
        if (failure && history) throw failure.error
        // An error before the first checkpoint leaves nothing to go on with.
        if (!history && !folder?.names.includes(runFiles.checkpoint)) await folder?.discard()
      } finally {
        await folder?.close()
        folder = undefined
      }
    },
    state: (): Kept => ({ best }),
    restore(state) {
      best = (state as Kept).best
    },
  }
}

/** Why there is nothing to go on with; undefined where there is. */
function endOf({ epochs: records, stopped }: History, epochs: number): string | undefined {
  const last = records.at(-1)
  if (last?.epoch === epochs && !last.partial) return 'finished'
  return stopped
}

/** Losses are better when they are lower. */
function isBetter(
  value: number,
  best: number | null,
  monitor: Monitor,
  { testAccuracy }: EpochRecord,
): boolean {
  if (best === null) return true
  const byLoss =
    monitor.endsWith('Loss') || (testAccuracy === undefined && monitor === 'testAccuracy')
  return byLoss ? value < best : value > best
}

/** What a network predicts with: its averages where they are kept, else its parameters. */
function weightsOf({ tensors }: Snapshot): StateDict {
  const part = (prefix: string): [string, StateDict[string]][] =>
    Object.entries(tensors)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor])
  return Object.fromEntries([...part('model.'), ...part('optimizer.average.')])
}

/** A model as `model.save` writes it. */
function modelFile(snapshot: Snapshot): Uint8Array {
  const { input, timeSteps, frames, method, network, data, validation } = snapshot.about.setting
  const { classNames, ...known } = data as ModelData
  // Data that are augmented are not made of bytes; those that test are.
  const { normalization = (validation as ModelData | undefined)?.normalization } = known
  const about = classNames || normalization ? { classNames, normalization } : undefined
  const json = JSON.stringify({ input, timeSteps, frames, method, network, data: about })
  return serializeState(weightsOf(snapshot), { [modelKey]: json })
}

/** One JSON object a line. */
function historyOf({ about }: Snapshot, partial: EpochRecord | undefined): Uint8Array {
  const records = partial ? [...about.records, partial] : about.records
  return encode(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}
