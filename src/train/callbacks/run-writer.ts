/** Writes a run while a model trains: the callback behind `checkpoint` and `train --out`. */

import { SpikewasmError } from '../../base/errors.js'
import { warn } from '../../engine/platform.js'
import * as v from '../../engine/vendor/valibot/index.js'
import type { RunFolder } from '../../files/folder/folder.js'
import { expectFigure, type Monitor, modeOf, monitors } from '../../network/optimizer.js'
import { type Callback, type FitStart, insideOf, type Training } from '../callback.js'
import { expectSameOption, keptAs } from '../callback-state.js'
import type { EpochRecord, History } from '../records.js'
import type { RunEnd } from '../report/make.js'
import { type Snapshot, snapshotOf } from '../snapshot.js'
import { exclusive, isBetter, isFinished, usualOf } from './early-stopping.js'
import {
  folderWriter,
  hasCheckpoint,
  partsOf,
  reportFile,
  runFiles,
  type Writer,
} from './run-files.js'

/** What the callback keeps from checkpoint to checkpoint. */
const schema = v.object({
  kind: v.literal('checkpoint'),
  best: v.nullable(v.number()),
  /** What `best` is a value of. */
  monitor: v.optional(v.picklist(monitors)),
})

type Kept = v.InferOutput<typeof schema>

/** When a checkpoint is due. */
export interface Due {
  /** After how many steps, or milliseconds; neither: behind epochs alone. */
  readonly steps?: number
  readonly ms?: number
}

/** What a run is written with. */
export interface RunWriterParts {
  readonly due: Due
  readonly monitor?: Monitor
  /**
   * `begun`: whether it holds this run already, or its options at least; `moved`: whether these
   * have changed, since its data lie elsewhere.
   */
  open(
    start: FitStart,
    training: Training,
  ): Promise<{ readonly folder: RunFolder; readonly begun: boolean; readonly moved?: boolean }>
  /** Its options, which are written when it begins, and when its data have moved. */
  options(snapshot: Snapshot): Uint8Array
  /** Whether a page about the run is written when it ends. */
  readonly report: boolean
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

/**
 * Steps may be short, too: 100 of a small network take 50 ms, and a commit some 2 ms. So much of a
 * run can be lost in any case.
 */
const STEPS_APART_MS = 250

/** Bytes of a snapshot from which on another thread writes: to start one takes 50 ms. */
const WORTH_A_THREAD = 2 ** 22

/** The callback behind `checkpoint`. */
export function runWriter({ due, monitor, open, options, report }: RunWriterParts): Callback {
  let writer: Writer | undefined
  let path = ''
  let begun = false
  /** Whether the folder holds this run, not one that was there before. */
  let isWritten = false
  /** Options of a run that replaces another one, which stays whole until this has a checkpoint. */
  let waiting: Uint8Array | undefined
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
  /** Steps of the run that have been told. */
  let told = 0

  const keep = (training: Training, { isBest = false, ended }: Keep = {}): void => {
    const taken = snapshotOf(training)
    const snapshot = ended === undefined ? taken : { ...taken, about: { ...taken.about, ended } }
    pending = { snapshot, best: isBest ? snapshot : pending?.best, partial }
  }

  const commit = async (to: Writer, { snapshot, ...more }: Pending): Promise<void> => {
    await to.write(partsOf(snapshot, more), waiting)
    if (waiting) await dropReport(path)
    waiting = undefined
    isWritten = true
  }

  /** Begins to write what waits, unless a commit is being written. */
  const write = (): void => {
    const to = writer
    if (!to || writing || !pending || failure) return
    const now = pending
    pending = undefined
    writtenAt = performance.now()
    writing = commit(to, now)
      .catch((error: unknown) => {
        failure = { error: hasCheckpoint(to.names) ? withWayOn(error) : error }
      })
      .then(() => {
        writing = undefined
      })
  }

  const isTime = (): boolean => performance.now() - writtenAt >= APART_MS

  const writeAll = async (): Promise<void> => {
    while (writer && !failure && (writing || pending)) {
      write()
      await writing
    }
  }

  return exclusive({
    name: 'checkpoint',
    last: true,
    async onFitStart(start, training) {
      epochs = start.epochs
      failure = undefined
      partial = undefined
      pending = undefined
      isDue = false
      told = start.epoch * start.steps + start.step
      // A callback may be used for one fit after another.
      if (!restored || !start.resumed) best = null
      restored = false
      const now = snapshotOf(training)
      if (monitor) expectFigure('checkpoint.monitor', monitor, start.figures)
      const { folder, ...place } = await open(start, training)
      writer = folderWriter(folder)
      path = folder.path
      begun = place.begun
      isWritten = begun
      beganAt = performance.now()
      const moved = place.moved ? options(now) : undefined
      if (!begun) waiting = await begin(folder, options(now))
      else if (folder.names.includes(runFiles.next))
        waiting = moved ?? (await folder.read(runFiles.next))
      else if (moved) await folder.commit({ [runFiles.options]: moved })
      // Behind epochs alone it is written seldom.
      const isOften = due.steps !== undefined || due.ms !== undefined
      if (!isOften || bytesOf(now) < WORTH_A_THREAD) return
      const { threadWriter } = await import('./writer-thread.js')
      writer = await threadWriter(folder)
    },
    async onStep({ epoch, steps, step }, training) {
      // Who trains on without checkpoints would lose more from step to step.
      if (failure) throw failure.error
      const done = epoch * steps + step + 1
      const now = performance.now()
      // Rounds tell of several steps together.
      isDue ||=
        due.steps !== undefined && Math.floor(done / due.steps) > Math.floor(told / due.steps)
      told = done
      isDue ||= due.ms !== undefined && now - Math.max(writtenAt, beganAt) >= due.ms
      // While the disk is busy nothing is copied that another step would make old.
      if (isDue && !writing && now - writtenAt >= STEPS_APART_MS) {
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
      const figure = monitor ?? usualOf(record)
      const value = record[figure]
      const isBest = value !== undefined && isBetter(value, best, modeOf(figure))
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
        // An error before the first checkpoint leaves nothing to go on with, unless the disk has
        // failed and not the training: its options are there, and it can begin anew.
        if (!history && !failure && writer && !begun && !hasCheckpoint(writer.names))
          await writer.takeBack(waiting !== undefined)
        if (report && !failure && writer && isWritten && hasCheckpoint(writer.names))
          await tellOf(training, { folder: path, history, epochs, options })
      } finally {
        // A commit that goes on keeps the lock.
        await writing
        await writer?.close()
        writer = undefined
        pending = undefined
        waiting = undefined
      }
    },
    state: (): Kept => ({ kind: 'checkpoint', best, monitor }),
    restore(state) {
      const kept = keptAs('checkpoint', schema, state)
      expectSameOption('checkpoint.monitor', kept.monitor, monitor)
      best = kept.best
      restored = true
    },
  })
}

/**
 * Writes the options of a new run. Another run that is in the folder stays as it is.
 *
 * @returns the options, where they wait for the first checkpoint
 */
async function begin(folder: RunFolder, options: Uint8Array): Promise<Uint8Array | undefined> {
  const taken = await folder.taken(Object.values(runFiles))
  if (taken.every((name) => name === runFiles.options || name === runFiles.next)) {
    await folder.commit({ [runFiles.options]: options }, { alone: true })
    return undefined
  }
  await folder.commit({ [runFiles.next]: options })
  return options
}

async function dropReport(folder: string): Promise<void> {
  const { rm } = await import('node:fs/promises')
  await rm(`${folder}/${reportFile}`, { force: true }).catch(() => undefined)
}

type End = Pick<RunEnd, 'folder' | 'history' | 'epochs'> & Pick<RunWriterParts, 'options'>

/** Writes the page about a run. Nothing of the run is lost where that fails. */
async function tellOf(training: Training, { options, ...end }: End): Promise<void> {
  const inside = insideOf(training)
  if (!inside) return
  try {
    const { reportEnd } = await import('../report/make.js')
    const snapshot = snapshotOf(training)
    await reportEnd({ ...end, inside, snapshot, options: options(snapshot) })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    warn(`${reportFile} of ${end.folder} was not written: ${why}`, 'SPIKEWASM_REPORT')
  }
}

const bytesOf = ({ tensors }: Snapshot): number =>
  Object.values(tensors).reduce((sum, { data }) => sum + data.byteLength, 0)

function withWayOn(error: unknown): unknown {
  if (!(error instanceof SpikewasmError)) return error
  const message = `${error.message}; the checkpoint before it is whole: resume goes on from there`
  return new SpikewasmError(message, { cause: error })
}

/** Why there is nothing to go on with; undefined where there is. */
const endOf = (history: History, epochs: number): string | undefined =>
  history.stopped ?? (isFinished(history, epochs) ? 'finished' : undefined)
