/** Writes a run's folder while a model trains, so that the training can go on after any end. */

import { checkOptions, describe, expect, SpikewasmError } from '../../errors.js'
import { parseCheckpoint, serializeCheckpoint } from '../../io/checkpoint.js'
import type { RunFolder } from '../../io/folder/folder.js'
import { type ModelData, modelKey } from '../../io/model-json.js'
import { serializeState } from '../../io/state.js'
import { expectFigure, type Monitor, modeOf, monitors } from '../../optimizer/index.js'
import type { StateDict } from '../../runtime/state.js'
import type { Callback, FitStart, Training } from '../callback.js'
import type { EpochRecord, History } from '../records.js'
import { aboutText, checkSnapshot, jsonOnce, type Snapshot } from '../snapshot.js'

export { type Monitor, monitors }

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
  /** What `best` is a value of. */
  readonly monitor?: Monitor
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

/** Folders that callbacks write. */
const folders = new WeakMap<Callback, string>()

/** The folder that a callback of `checkpoint` writes; undefined for another callback. */
export const folderOf = (callback: Callback): string | undefined => folders.get(callback)

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
  const callback = runWriter({
    due,
    monitor,
    async open({ resumed }, training) {
      const { RunFolder } = await import('../../io/folder/folder.js')
      const folder = await RunFolder.open(dir, 'checkpoint.dir')
      try {
        const begun = resumed && (await isRunOf(folder, training))
        if (begun || overwrite) return { folder, begun }
        const taken = await folder.taken(Object.values(runFiles))
        // One that was ended before its first checkpoint has nothing to lose.
        const isStart = folder.generation > 0 && !folder.names.includes(runFiles.checkpoint)
        const free =
          taken.length === 0 || (isStart && !resumed && taken.join() === runFiles.options)
        if (free) return { folder, begun }
      } catch (error) {
        await folder.close()
        throw error
      }
      await folder.close()
      throw new SpikewasmError(
        resumed
          ? `checkpoint.dir: ${dir} holds another run than the one that fit resumes; give ` +
              'another folder, or checkpoint overwrite: true'
          : `checkpoint.dir: ${dir} holds a run; give fit resume to go on, or checkpoint ` +
              'overwrite: true to begin anew',
      )
    },
    first: (snapshot) => ({ [runFiles.options]: optionsOf(snapshot) }),
  })
  folders.set(callback, dir)
  return callback
}

const optionsOf = ({ about }: Snapshot): Uint8Array =>
  encode(`${JSON.stringify(about.setting, undefined, 2)}\n`)

/**
 * Whether a folder's checkpoint is one of the training that runs, or, where it has none yet, its
 * options are.
 */
async function isRunOf(folder: RunFolder, training: Training): Promise<boolean> {
  if (!folder.names.includes(runFiles.checkpoint)) {
    if (!folder.names.includes(runFiles.options)) return false
    const found = await folder.read(runFiles.options)
    return decode(found) === decode(optionsOf(training.snapshot()))
  }
  const found = await parseCheckpoint(
    await folder.read(runFiles.checkpoint),
    `${folder.path}/${runFiles.checkpoint}`,
  )
  const { setting } = checkSnapshot(found, folder.path).about
  return JSON.stringify(setting) === JSON.stringify(training.snapshot().about.setting)
}

type Files = Readonly<Record<string, Uint8Array>>

/** What a run is written with. */
export interface RunWriterParts {
  readonly due: Due
  readonly monitor?: Monitor
  /** `begun`: whether it holds this run already, or its options at least. */
  open(
    start: FitStart,
    training: Training,
  ): Promise<{ readonly folder: RunFolder; readonly begun: boolean }>
  /** Files that are written once, when the run begins. */
  first?(snapshot: Snapshot): Files
}

interface Pending {
  readonly snapshot: Snapshot
  /** The weights of the best epoch since the last commit. */
  readonly best: Snapshot | undefined
  readonly partial: EpochRecord | undefined
}

interface Keep {
  readonly isBest?: boolean
  readonly ended?: string
}

/** Epochs may be short: behind them nothing is written more often. So much of a run can be lost. */
const APART_MS = 1000

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)

/** The callback behind `checkpoint`. */
export function runWriter({ due, monitor, open, first }: RunWriterParts): Callback {
  let folder: RunFolder | undefined
  let begun = false
  let epochs = 0
  let best: number | null = null
  let restored = false
  /** The commit that is being written, and what went wrong with it. */
  let writing: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  /** What waits to be written: a disk that is slower than the training gets the newest alone. */
  let pending: Pending | undefined
  /** A checkpoint was asked for. */
  let isDue = false
  let writtenAt = Number.NEGATIVE_INFINITY
  let beganAt = 0
  let partial: EpochRecord | undefined

  const keep = (training: Training, { isBest = false, ended }: Keep = {}): void => {
    const taken = training.snapshot()
    const snapshot = ended === undefined ? taken : { ...taken, about: { ...taken.about, ended } }
    pending = { snapshot, best: isBest ? snapshot : pending?.best, partial }
  }

  const commit = async (to: RunFolder, { snapshot, best, partial }: Pending): Promise<void> => {
    const weights = modelFile(snapshot)
    const bestFile = best === snapshot ? weights : best && modelFile(best)
    await to.commit({
      [runFiles.weights]: weights,
      [runFiles.history]: historyOf(snapshot, partial),
      [runFiles.checkpoint]: await serializeCheckpoint(snapshot, aboutText(snapshot.about)),
      ...(bestFile ? { [runFiles.best]: bestFile } : {}),
    })
  }

  /** Begins to write what waits, unless a commit is being written. */
  const write = (): void => {
    const to = folder
    if (!to || writing || !pending || failure) return
    const now = pending
    pending = undefined
    writtenAt = performance.now()
    writing = commit(to, now)
      .catch((error: unknown) => {
        failure = { error: to.names.includes(runFiles.checkpoint) ? withWayOn(error) : error }
      })
      .then(() => {
        writing = undefined
      })
  }

  const isTime = (): boolean => performance.now() - writtenAt >= APART_MS

  const writeAll = async (): Promise<void> => {
    while (folder && !failure && (writing || pending)) {
      write()
      await writing
    }
  }

  return {
    name: 'checkpoint',
    last: true,
    async onFitStart(start, training) {
      epochs = start.epochs
      failure = undefined
      partial = undefined
      pending = undefined
      isDue = false
      // A callback may be used for one fit after another.
      if (!restored) best = null
      restored = false
      const now = training.snapshot()
      if (monitor) expectFigure('checkpoint.monitor', monitor, start.figures)
      const place = await open(start, training)
      folder = place.folder
      begun = place.begun
      beganAt = performance.now()
      if (first && !begun) await folder.commit(first(now), { alone: true })
    },
    async onStep({ epoch, steps, step }, training) {
      // Who trains on without checkpoints would lose more from step to step.
      if (failure) throw failure.error
      const done = epoch * steps + step + 1
      const now = performance.now()
      isDue ||= due.steps !== undefined && done % due.steps === 0
      isDue ||= due.ms !== undefined && now - Math.max(writtenAt, beganAt) >= due.ms
      // While the disk is busy nothing is copied that another step would make old.
      if (isDue && !writing) {
        isDue = false
        keep(training)
        write()
      } else if (pending && isTime()) write()
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
      if (isBest || isTime()) keep(training, { isBest })
      if (isTime()) write()
    },
    async onFitEnd(history: History | undefined, training) {
      try {
        // After an error the last checkpoint is the one to go on from.
        if (history) keep(training, { ended: endOf(history, epochs) })
        await writeAll()
        if (failure && history) throw failure.error
        // An error before the first checkpoint leaves nothing to go on with.
        if (!history && !begun && !folder?.names.includes(runFiles.checkpoint))
          await folder?.discard()
      } finally {
        // A commit that goes on keeps the lock.
        await writing
        await folder?.close()
        folder = undefined
        pending = undefined
      }
    },
    state: (): Kept => ({ best, monitor }),
    restore(state) {
      const kept = state as Kept
      expect(
        kept.monitor === monitor,
        () =>
          'checkpoint.monitor must be that of the run which fit resumes, ' +
          `${kept.monitor ?? 'none'}, got ${monitor ?? 'none'}`,
      )
      best = kept.best
      restored = true
    },
  }
}

function withWayOn(error: unknown): unknown {
  if (!(error instanceof SpikewasmError)) return error
  const message = `${error.message}; the checkpoint before it is whole: resume goes on from there`
  return new SpikewasmError(message, { cause: error })
}

/** Why there is nothing to go on with; undefined where there is. */
function endOf({ epochs: records, stopped }: History, epochs: number): string | undefined {
  const last = records.at(-1)
  return stopped ?? (last?.epoch === epochs && !last.partial ? 'finished' : undefined)
}

/** Losses and errors are better when they are lower. */
function isBetter(
  value: number,
  best: number | null,
  monitor: Monitor,
  { testAccuracy }: EpochRecord,
): boolean {
  if (best === null) return true
  const isSmallGood =
    modeOf(monitor) === 'min' || (testAccuracy === undefined && monitor === 'testAccuracy')
  return isSmallGood ? value < best : value > best
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
  return encode(records.map((record) => `${jsonOnce(record)}\n`).join(''))
}
