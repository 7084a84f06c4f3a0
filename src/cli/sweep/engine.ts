/** Drives a sweep: which run is done when, and when it has ended. Who does it is another matter. */

import { isOver, type RowState, type RunResult, type SweepRow, taskName } from './page.js'
import { type RunNews, RunStopped } from './run-child.js'
import { type Standing, type SweepRun, type SweepSpec, standings } from './spec.js'

/** A run with what tells it from others. */
export interface SweepEntry {
  readonly run: SweepRun
  readonly id: string
  /** Hash of its data. */
  readonly data: string
}

/** A run, or the part of it up to a rung. */
export interface Task extends SweepEntry {
  /** The name of its result. */
  readonly name: string
  /** The epoch to end behind; undefined: its own end. */
  readonly until?: number
  /** The rung before, whose checkpoint it goes on from. */
  readonly from?: number
}

/** How far a task is, or whether somebody does it now. */
export type TaskNews = RunNews | 'works' | 'waits'

/** Who does the work. */
export interface Executor {
  /** Whether one more may begin beside those that run. */
  mayStart(running: number): boolean
  execute(task: Task, onNews: (news: TaskNews) => void, signal: AbortSignal): Promise<RunResult>
}

export interface Drive {
  readonly spec: SweepSpec
  readonly entries: readonly SweepEntry[]
  /** Results that are there already. */
  readonly results: ReadonlyMap<string, RunResult>
  readonly executor: Executor
  /** Ends the sweep; runs keep their checkpoints. */
  readonly signal: AbortSignal
  keep(name: string, result: RunResult): Promise<void>
  /** Called when anything has changed. */
  onChange(): void
  /** Called once for each run when it has ended. */
  onEnded(row: SweepRow): void
}

interface Live {
  state: RowState
  news?: RunNews
  /** Whether nobody does it now, although it runs. */
  waits?: boolean
  error?: string
  told: boolean
}

/** How often it is looked whether one more may start: memory may have become free. */
const LOOK_MS = 500

export class Engine {
  private readonly results: Map<string, RunResult>
  private readonly live: Map<string, Live>
  /** Epochs at which runs are compared; undefined: their own end. */
  private readonly rungs: readonly (number | undefined)[]
  private readonly running = new Set<string>()
  private readonly begun = new Set<string>()
  private wake = (): void => {}

  constructor(private readonly drive: Drive) {
    this.results = new Map(drive.results)
    const { spec, entries } = drive
    this.rungs = [...(spec.rungs?.slice(0, -1) ?? []), undefined]
    this.live = new Map(entries.map(({ id }) => [id, { state: 'waiting', told: false }]))
  }

  /** Until all runs have ended, or the signal has come. */
  async run(): Promise<void> {
    const { signal, executor, onChange } = this.drive
    signal.addEventListener('abort', () => this.wake())
    for (;;) {
      this.tellEnded()
      const due = signal.aborted ? [] : this.dueTasks()
      for (const task of due) {
        if (!executor.mayStart(this.running.size)) break
        void this.start(task)
      }
      onChange()
      if (this.running.size === 0 && (signal.aborted || this.dueTasks().length === 0)) break
      await this.change(due.length > 0)
    }
    if (signal.aborted)
      for (const live of this.live.values())
        if (live.state === 'waiting' || live.state === 'running') live.state = 'stopped'
    this.tellEnded()
    onChange()
  }

  /** Until something has happened; where more wait to start, not for long. */
  private change(isWaiting: boolean): Promise<void> {
    return new Promise((resolve) => {
      const timer = isWaiting ? setTimeout(() => this.wake(), LOOK_MS) : undefined
      this.wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private async start(task: Task): Promise<void> {
    const { executor, signal, keep, onChange } = this.drive
    const live = this.live.get(task.id)!
    live.state = 'running'
    this.running.add(task.name)
    this.begun.add(task.name)
    try {
      const onNews = (news: TaskNews): void => {
        const waits = news === 'waits'
        if (typeof news !== 'string') live.news = news
        else if (waits === live.waits) return
        live.waits = waits
        onChange()
      }
      const result = await executor.execute(task, onNews, signal)
      await keep(task.name, result)
      this.results.set(task.name, result)
      live.state = 'waiting'
    } catch (error) {
      if (error instanceof RunStopped) live.state = 'stopped'
      else {
        live.state = 'failed'
        live.error = (error as Error).message
      }
    } finally {
      this.running.delete(task.name)
      this.wake()
    }
  }

  /** Without halving a run has one rung, its end. */
  private standing(): Map<string, Standing> {
    const { spec, entries } = this.drive
    const { halving = { factor: 1 } } = spec
    const ids = [...new Set(entries.map(({ id }) => id))]
    return standings(ids, halving, this.rungs.length, (id, rung) => {
      if (this.live.get(id)?.state === 'failed') return Number.NEGATIVE_INFINITY
      const result = this.results.get(this.nameAt(id, rung))
      return result && (result.testAccuracy ?? Number.NEGATIVE_INFINITY)
    })
  }

  private nameAt = (id: string, rung: number): string => taskName(id, this.rungs[rung])

  /** What may begin now: of halving, runs that have come far go first. */
  private dueTasks(): Task[] {
    const standing = this.standing()
    const tasks: { readonly task: Task; readonly rung: number }[] = []
    for (const entry of this.drive.entries) {
      const { rung, state } = standing.get(entry.id)!
      if (this.live.get(entry.id)!.state !== 'waiting' || state !== 'trains') continue
      const [from, until] = [this.rungs[rung - 1], this.rungs[rung]]
      tasks.push({ task: { ...entry, name: taskName(entry.id, until), until, from }, rung })
    }
    return tasks.sort((a, b) => b.rung - a.rung).map(({ task }) => task)
  }

  /** Names of tasks that were begun and have no result. */
  unfinishedTasks(): string[] {
    return [...this.begun].filter((name) => !this.results.has(name))
  }

  /** The state of all runs. */
  rows(): SweepRow[] {
    const standing = this.standing()
    return this.drive.entries.map((entry) => this.rowOf(entry, standing.get(entry.id)!))
  }

  private rowOf({ id, run }: SweepEntry, at: Standing): SweepRow {
    const live = this.live.get(id)!
    const { epochs } = run.parsed
    const { given: options, chosen } = run
    const tasks = this.rungs.map((_, i) => this.nameAt(id, i))
    const known = { id, options, chosen, epochs, tasks }
    const { error, news } = live
    const last = this.lastResult(id, at)
    const isEnd = at.state === 'ended' || at.state === 'stopped'
    if (live.state !== 'failed' && last && isEnd) {
      const state = at.state === 'stopped' ? 'halved' : 'finished'
      const share = state === 'finished' ? 1 : last.epochs / epochs
      const figures = { epoch: last.epochs, share, testAccuracy: last.testAccuracy }
      return { ...known, state, ...figures, result: last }
    }
    const { epoch = last?.epochs ?? 0, step = 0, steps = 1 } = news ?? {}
    const accuracy = news?.testAccuracy ?? last?.testAccuracy ?? null
    const share = Math.min(1, (epoch + step / Math.max(1, steps)) / epochs)
    const state = live.state === 'running' && live.waits ? 'waiting' : live.state
    return { ...known, state, epoch, share, testAccuracy: accuracy, ...(error && { error }) }
  }

  private lastResult(id: string, { rung: top }: Standing): RunResult | undefined {
    for (let rung = top; rung >= 0; rung--) {
      const found = this.results.get(this.nameAt(id, rung))
      if (found) return found
    }
  }

  private tellEnded(): void {
    for (const row of this.rows()) {
      const live = this.live.get(row.id)!
      if (live.told || !isOver(row) || row.state === 'stopped') continue
      live.told = true
      this.drive.onEnded(row)
    }
  }
}
