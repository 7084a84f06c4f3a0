/** Runs of a sweep in processes of their own, as their parent sees them. */

import type { ChildProcess } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { SpikewasmError } from '../../base/errors.js'
import { Child, flagsOfNode } from '../../engine/node/child.js'
import { SideEnded } from '../../engine/threads/calls.js'
import { readRunFiles } from '../../files/folder/folder.js'
import { codeFile } from '../../package-files.js'
import type { JobLimits } from '../../scale/worker.js'
import { runFiles } from '../../train/callbacks/run-files.js'
import type { EpochRecord } from '../../train/records.js'
import type { TrainSummary } from '../commands/train-run.js'
import { sha256Of } from '../own-model.js'
import type { ChildNews, ChildOrder, StepNews, TrainCalls } from './child.js'
import type { RunResult } from './page.js'

/** How far a run is. */
export interface RunNews extends StepNews {
  readonly stepMs?: number
  readonly memoryMB?: number
  /** After the last complete epoch. */
  readonly testAccuracy?: number | null
}

export interface ChildRun extends ChildOrder {
  readonly limits: JobLimits
  /** Ends the process: with a checkpoint, or at once where its reason is 'lock lost'. */
  readonly signal?: AbortSignal
  onNews?(news: RunNews): void
  onChild?(news: ChildNews): void
}

/** A run took more memory or time than it may. */
export class LimitExceeded extends SpikewasmError {}

/** How a process ended that was asked to. */
export class RunStopped extends Error {}

/** What a signal leaves a run for its checkpoint. */
const GRACE_MS = 20_000
const LOOK_MS = 500
/** The longest time that a timer of Node knows. */
const MOST_SECONDS = 2 ** 31 / 1000 - 1

/**
 * Trains in a new process until the run, or the epoch that was asked for, has ended.
 *
 * @throws RunStopped when the signal ended it, SpikewasmError for a mistake, or a limit
 */
export async function trainInChild(run: ChildRun): Promise<TrainSummary> {
  const { limits, signal, args, untilEpoch, everyStep, data, model } = run
  if (signal?.aborted) throw new RunStopped(String(signal.reason))
  const heap = Math.max(64, Math.floor(limits.memoryMB))
  const child = new Child<TrainCalls>(codeFile('cli/sweep/child.js'), {
    // Ctrl-C of a terminal is for the parent, which asks for an end.
    detached: true,
    execArgv: [
      ...flagsOfNode().filter((flag) => !flag.startsWith('--max')),
      `--max-old-space-size=${heap}`,
    ],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const timers: NodeJS.Timeout[] = []
  const { checkMemory, release } = watchLimits(child, limits)
  const end = (): void => {
    const isLost = signal?.reason === 'lock lost'
    child.child.kill(isLost ? 'SIGKILL' : 'SIGTERM')
    if (!isLost) timers.push(setTimeout(() => void child.kill(), GRACE_MS))
  }
  signal?.addEventListener('abort', end, { once: true })
  try {
    const order = { args, untilEpoch, everyStep, data, model }
    const summary = await child
      .call('train', order, { onNews: follower(run, checkMemory) })
      .catch((error: Error) => {
        // Why it is gone is seen below.
        if (!(error instanceof SideEnded)) throw error
      })
    const how = await child.end()
    if (signal?.aborted) throw new RunStopped(String(signal.reason))
    if (summary && how === 0) return summary
    const text = child.lastWords(3)
    const by = typeof how === 'number' ? `code ${how}` : how
    throw new Error(`the run's process ended with ${by}${text && `: ${text}`}`)
  } finally {
    await child.end()
    for (const timer of timers) clearTimeout(timer)
    release()
    signal?.removeEventListener('abort', end)
  }
}

/** Ends a process that takes more than it may. */
function watchLimits(child: Child<TrainCalls>, { memoryMB: most, seconds }: JobLimits) {
  const refuse = (why: string): void => {
    child.fail(new LimitExceeded(why))
    void child.kill()
  }
  const late = (): void =>
    refuse(`the run took longer than its limit of ${seconds} s (--time-limit)`)
  const timer = seconds <= MOST_SECONDS ? setTimeout(late, seconds * 1000) : undefined
  const checkMemory = (memoryMB: number | undefined): void => {
    if (memoryMB !== undefined && memoryMB > most)
      refuse(
        `the run took ${Math.round(memoryMB)} MB of memory, more than its limit of ` +
          `${Math.round(most)} MB (--memory-limit)`,
      )
  }
  const look = setInterval(() => void memoryOf(child.child).then(checkMemory), LOOK_MS)
  const release = (): void => {
    clearTimeout(timer)
    clearInterval(look)
  }
  return { checkMemory, release }
}

/** Makes of what a process says where the run is. */
function follower(run: ChildRun, checkMemory: (memoryMB: number) => void) {
  let last: RunNews | undefined
  return (news: ChildNews): void => {
    run.onChild?.(news)
    if (news.kind === 'step') {
      const { kind: _, ...of } = news
      checkMemory(news.memoryMB)
      last = { ...last, ...of }
      run.onNews?.(last)
    } else if (news.kind === 'epoch' && last) {
      const { testAccuracy = null, epoch } = news.record
      last = { ...last, epoch, step: 0, testAccuracy }
      run.onNews?.(last)
    }
  }
}

/** MB that a process has in memory, where the system tells. */
async function memoryOf({ pid }: ChildProcess): Promise<number | undefined> {
  try {
    const [, pages] = (await readFile(`/proc/${pid}/statm`, 'utf8')).split(' ')
    return (Number(pages) * 4096) / 2 ** 20
  } catch {
    return undefined
  }
}

/** How a run is trained: with a checkpoint each minute, beside those of epochs. */
const TRAIN_FLAGS = ['--json', '--no-report', '--checkpoint-every=1m']

/**
 * Trains a run in a folder, where it may have begun already, up to an epoch or its end.
 *
 * @param folder of its own; what it holds of another run is an error
 */
export async function trainIn(folder: string, run: ChildRun): Promise<RunResult> {
  const begun = performance.now()
  const { untilEpoch } = run
  const before = untilEpoch === undefined ? undefined : await resultAt(folder, untilEpoch)
  if (before) return before
  const args = [...run.args, '--out', folder, ...TRAIN_FLAGS]
  const { stopped } = await trainInChild({ ...run, args })
  const result = await resultAt(folder)
  if (!result)
    throw new Error(`${folder}: the run has ended, but its folder does not hold what it gave`)
  return { ...result, stopped, seconds: (performance.now() - begun) / 1000 }
}

/**
 * The same. What another version, somebody else or a broken disk has left in the folder is thrown
 * away where nobody can go on from it: results do not depend on it.
 *
 * @param begun whether the folder holds something
 * @param onAnew told why the run begins anew; what it throws ends the run instead
 */
export async function trainAnew(
  folder: string,
  run: ChildRun,
  begun: boolean,
  onAnew: (error: Error) => void = () => {},
): Promise<RunResult> {
  try {
    return await trainIn(folder, run)
  } catch (error) {
    if (!begun || error instanceof RunStopped || run.signal?.aborted) throw error
    onAnew(error as Error)
    await rm(folder, { recursive: true, force: true })
    return trainIn(folder, run)
  }
}

/**
 * What the run in a folder has given so far.
 *
 * @param epochs undefined, where it is not behind exactly so many complete epochs
 */
async function resultAt(folder: string, epochs?: number): Promise<RunResult | undefined> {
  const names = [runFiles.history, runFiles.weights]
  const files = await readRunFiles(folder, names).catch(() => undefined)
  if (!files) return undefined
  const lines = new TextDecoder().decode(files[runFiles.history]).trim().split('\n')
  const records = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as EpochRecord)
  const last = records.at(-1)
  if (!last || last.partial || (epochs !== undefined && last.epoch !== epochs)) return undefined
  const { testAccuracy = null, testLoss = null, trainLoss } = last
  const weightsSha256 = sha256Of(files[runFiles.weights])
  const figures = { testAccuracy, testLoss, trainLoss, weightsSha256 }
  return { epochs: last.epoch, ...figures, stopped: null, seconds: 0 }
}
