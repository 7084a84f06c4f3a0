/** Writes a run while a model trains: the callback behind `checkpoint` and `train --out`. */

import { fail, SpikewasmError } from '../../base/errors.js'
import type { StateDict } from '../../engine/memory/state.js'
import { expectPackageFile, Thread } from '../../engine/node/thread.js'
import { warn } from '../../engine/platform.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { RunFolder } from '../../files/folder/folder.js'
import { expectFigure, type Monitor, monitorRule } from '../../network/optimizer.js'
import { codeFile } from '../../package-files.js'
import {
  type Callback,
  exclusive,
  type FitHooks,
  type FitStart,
  insideOf,
  type Training,
} from '../callback.js'
import { expectSameOption, keptAs } from '../callback-state.js'
import { betterOf, type EpochRecord, type History, isFinished, type StepInfo } from '../records.js'
import type { RunEnd } from '../report/make.js'
import { type Snapshot, snapshotOf } from '../snapshot.js'
import {
  folderWriter,
  hasCheckpoint,
  partsOf,
  reportFile,
  runFiles,
  type Writer,
} from './run-files.js'
import type { WriterCalls } from './writer-worker.js'

/** What the callback keeps from checkpoint to checkpoint. */
const schema = v.object({
  kind: v.literal('checkpoint'),
  best: v.nullable(v.number()),
  /** What `best` is a value of. */
  monitor: v.optional(v.custom<Monitor>(monitorRule().fits)),
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
export function runWriter(parts: RunWriterParts): Callback {
  const { monitor } = parts
  let restored: Kept | undefined
  let run: RunWriter | undefined
  return exclusive({
    name: 'checkpoint',
    last: true,
    steps: true,
    begin(start) {
      run = new RunWriter(parts, start, start.resumed && restored ? restored.best : null)
      restored = undefined
      return run
    },
    state: (): Kept => ({ kind: 'checkpoint', best: (restored ?? run)?.best ?? null, monitor }),
    restore(state) {
      restored = keptAs('checkpoint', schema, state)
      expectSameOption('checkpoint.monitor', restored.monitor, monitor)
    },
  })
}

/** Writes the run of one training. */
class RunWriter implements FitHooks {
  private writer: Writer | undefined
  private path = ''
  /** Whether the folder held this run, or its options at least, when the training began. */
  private begun = false
  /** Whether the folder holds this run, not one that was there before. */
  private isWritten = false
  /** Options of a run that replaces another one, which stays whole until this has a checkpoint. */
  private options: Uint8Array | undefined
  /** The commit that is being written, and what went wrong with it. */
  private writing: Promise<void> | undefined
  private failure: { readonly error: unknown } | undefined
  /** What waits to be written: a disk that is slower than the training gets the newest alone. */
  private pending: Pending | undefined
  /** A checkpoint was asked for. */
  private isDue = false
  private writtenAt = Number.NEGATIVE_INFINITY
  private beganAt = 0
  private partial: EpochRecord | undefined
  /** Steps of the run that have ended. */
  private steps: number
  private readonly epochs: number

  constructor(
    private readonly parts: RunWriterParts,
    { epoch, epochs, step, steps }: FitStart,
    public best: number | null,
  ) {
    this.epochs = epochs
    this.steps = epoch * steps + step
  }

  async onFitStart(start: FitStart, training: Training): Promise<void> {
    const { due, monitor, open, options } = this.parts
    const now = snapshotOf(training)
    if (monitor) expectFigure('checkpoint.monitor', monitor, start.figures)
    const { folder, begun, moved: isMoved } = await open(start, training)
    this.writer = folderWriter(folder)
    this.path = folder.path
    this.begun = begun
    this.isWritten = begun
    this.beganAt = performance.now()
    const moved = isMoved ? options(now) : undefined
    if (!begun) this.options = await begin(folder, options(now))
    else if (folder.names.includes(runFiles.next))
      this.options = moved ?? (await folder.read(runFiles.next))
    else if (moved) await folder.commit({ [runFiles.options]: moved })
    // Behind epochs alone it is written seldom.
    const isOften = due.steps !== undefined || due.ms !== undefined
    if (!isOften || bytesOf(now) < WORTH_A_THREAD) return
    const { threadWriter } = await import('./run-writer.js')
    this.writer = await threadWriter(folder)
  }

  onStep({ epoch, steps, step }: StepInfo, training: Training): void {
    // Who trains on without checkpoints would lose more from step to step.
    if (this.failure) throw this.failure.error
    const { due } = this.parts
    const before = this.steps
    const now = performance.now()
    // Rounds tell of several steps together.
    this.steps = epoch * steps + step + 1
    this.isDue ||=
      due.steps !== undefined && Math.floor(this.steps / due.steps) > Math.floor(before / due.steps)
    this.isDue ||= due.ms !== undefined && now - Math.max(this.writtenAt, this.beganAt) >= due.ms
    // While the disk is busy nothing is copied that another step would make old.
    if (this.isDue && !this.writing && now - this.writtenAt >= STEPS_APART_MS) {
      this.isDue = false
      this.keep(snapshotOf(training))
      this.write()
    } else if (this.pending && this.isTime()) this.write()
  }

  onEpoch(record: EpochRecord, training: Training): void {
    if (record.partial) {
      this.partial = record
      return
    }
    const better = betterOf(record, this.best, this.parts.monitor)
    this.best = better ?? this.best
    const isBest = better !== undefined
    if (isBest || this.isTime()) this.keep(snapshotOf(training), isBest)
    if (this.isTime()) this.write()
  }

  async onFitEnd(history: History | undefined, training: Training): Promise<void> {
    try {
      // After an error the last checkpoint is the one to go on from.
      if (history) {
        const snapshot = snapshotOf(training)
        const ended = endOf(history, this.epochs)
        this.keep(ended === undefined ? snapshot : withEnd(snapshot, ended))
      }
      await this.writeAll()
      if (!this.failure && this.writer) await this.close(this.writer, history, training)
      else if (this.failure && history) throw this.failure.error
    } finally {
      // A commit that goes on keeps the lock.
      await this.writing
      await this.writer?.close()
    }
  }

  /** The end of a run whose commits all went well. */
  private async close(
    writer: Writer,
    history: History | undefined,
    training: Training,
  ): Promise<void> {
    const { path: folder, epochs } = this
    const { options, report } = this.parts
    // An error before the first checkpoint leaves nothing to go on with, unless the disk has
    // failed and not the training: its options are there, and it can begin anew.
    if (!history && !this.begun && !hasCheckpoint(writer.names))
      await writer.takeBack(this.options !== undefined)
    if (report && this.isWritten && hasCheckpoint(writer.names))
      await writeReport(training, { folder, history, epochs, options })
  }

  private keep(snapshot: Snapshot, isBest = false): void {
    const { partial } = this
    this.pending = { snapshot, best: isBest ? snapshot : this.pending?.best, partial }
  }

  /** Begins to write what waits, unless a commit is being written. */
  private write(): void {
    const { writer, pending } = this
    if (!writer || this.writing || !pending || this.failure) return
    this.pending = undefined
    this.writtenAt = performance.now()
    this.writing = this.commit(writer, pending)
      .catch((error: unknown) => {
        this.failure = { error: hasCheckpoint(writer.names) ? withWayOn(error) : error }
      })
      .then(() => {
        this.writing = undefined
      })
  }

  private async commit(writer: Writer, { snapshot, ...more }: Pending): Promise<void> {
    await writer.write(partsOf(snapshot, more), this.options)
    if (this.options) await dropReport(this.path)
    this.options = undefined
    this.isWritten = true
  }

  private async writeAll(): Promise<void> {
    while (this.writer && !this.failure && (this.writing || this.pending)) {
      this.write()
      await this.writing
    }
  }

  private isTime(): boolean {
    return performance.now() - this.writtenAt >= APART_MS
  }
}

const withEnd = (snapshot: Snapshot, ended: string): Snapshot => ({
  ...snapshot,
  about: { ...snapshot.about, ended },
})

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
async function writeReport(training: Training, { options, ...end }: End): Promise<void> {
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

// A thread that writes a run's folder (Node), so that steps wait for the copy of a snapshot alone.

const workerFile = codeFile('train/callbacks/writer-worker.js')

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
