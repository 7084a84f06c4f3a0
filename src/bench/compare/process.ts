/** Processes that measure: what they are told and say; started, listened to, and ended. */

import { fail, SpikewasmError } from '../../base/errors.js'
import { Child, flagsOfNode } from '../../engine/node/child.js'
import { type Ask, patiently, SideSilent } from '../../engine/threads/calls.js'
import { codeFile } from '../../package-files.js'
import type { Work } from '../benchmark.js'
import type { Weights } from '../networks.js'

/** What a process shall measure. */
export interface Job {
  /** URL of the module that lists benchmarks: it exports `listBenchmarks(selection, filter)`. */
  readonly cases: string
  /** Passed on to `listBenchmarks`, and so is the filter. */
  readonly selection: unknown
  /** Text that names must contain. */
  readonly filter?: string
  /** Folders of one or two builds: the one under test, and the other. */
  readonly builds: readonly string[]
  /** Names to measure; absent: all. */
  readonly names?: readonly string[]
  /** In how many processes a name has been measured; those with few come first. */
  readonly measured: Readonly<Record<string, number>>
  /** Budget for all benchmarks together; or that of each, in milliseconds, and all are measured. */
  readonly seconds: number
  readonly eachMs?: number
  /** Draws orders and places. */
  readonly seed: number
  /** Whether all limits of the machine are looked at beside each benchmark, or one alone. */
  readonly calibrate: boolean
  /** Whether V8 may use wide vectors. */
  readonly wide: boolean
  /** Trained weights that processes leave to the next ones. */
  readonly weights: Weights
  /** So often, in milliseconds, a process that works on one benchmark says so. Default 2000. */
  readonly aliveMs?: number
}

/** What all processes of a comparison are told. */
export type SharedJob = Omit<Job, 'names' | 'measured' | 'seconds' | 'seed'>

/** The functions of such a process. */
export interface CompareCalls {
  work(job: Job, ask: Ask<CompareNews>): Promise<void>
}

/** Rates of the machine beside a benchmark, as logarithms. */
export interface Calibration {
  readonly multiplyAdd: number
  readonly eventAdds?: number
  readonly copy?: number
}

/** What one process found of a benchmark. */
export interface Measured {
  readonly name: string
  /** Milliseconds of a call: a list for each build, a number for each round. */
  readonly times: readonly (readonly number[])[]
  readonly isSteady: boolean
  /** Density of spikes, and what else a figure depends on, of each build that tells it. */
  readonly densities: readonly (string | undefined)[]
  readonly calibration: Calibration
  /** Share of the processors that others took meanwhile. */
  readonly others: number
  /** Milliseconds that it took in all. */
  readonly spentMs: number
  /** Work of a call, as this build says it. */
  readonly work?: Work
  readonly threads?: number
  /** At the limit of that work, before and behind the rounds. */
  readonly looks?: readonly [number, number]
  readonly limitUnit?: string
}

/** What a process says meanwhile. */
export type CompareNews =
  | { readonly kind: 'trained'; readonly weights: Weights }
  | { readonly kind: 'list'; readonly names: readonly string[] }
  | { readonly kind: 'begin'; readonly name: string }
  /** The same one still runs. */
  | { readonly kind: 'alive' }
  | { readonly kind: 'measured'; readonly measured: Measured }
  /** `skipped`: the other build cannot run it. */
  | { readonly kind: 'skipped' | 'failed'; readonly name: string; readonly reason: string }

/** What a process said by its end. */
export interface Outcome {
  /** Names of all benchmarks, whether measured or not. */
  names: readonly string[]
  readonly measured: Measured[]
  /** Reasons by name. */
  readonly skipped: Map<string, string>
  readonly failed: Map<string, string>
  /** Whether it came to its end; else the last of the failed ones has ended it. */
  isWhole: boolean
}

export interface ChildOptions {
  /** A process that says nothing for longer is killed. */
  readonly patienceMs: number
  /** Called when a benchmark begins. */
  onBegin?(name: string): void
  /** Ends the process. */
  readonly signal?: AbortSignal
}

/** A process may take so long to start, whatever benchmarks may: the machine may be busy. */
const START_MS = 60_000
/** Between two benchmarks the memory of the last one is given back. */
const GC = '--expose-gc'

/**
 * Runs a job in a process of its own.
 * @throws SpikewasmError when nothing could be measured at all, for example because a build is
 *   missing. A benchmark that throws, hangs or ends the process is a failure in the outcome.
 */
export async function runChild(job: Job, options: ChildOptions): Promise<Outcome> {
  const { patienceMs, signal } = options
  const child = new Child<CompareCalls>(codeFile('bench/compare/child.js'), {
    execArgv: [...flagsOfNode(), GC],
    // What benchmarks print must not get into tables and JSON of ours.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const [skipped, failed] = [new Map<string, string>(), new Map<string, string>()]
  const outcome: Outcome = { names: [], measured: [], skipped, failed, isWhole: true }
  let running: string | undefined
  const hear = (news: CompareNews): void => {
    if (news.kind === 'alive') return
    if (news.kind === 'trained') return void Object.assign(job.weights, news.weights)
    running = news.kind === 'begin' ? news.name : undefined
    if (news.kind === 'begin') options.onBegin?.(news.name)
    else if (news.kind === 'list') outcome.names = news.names
    else if (news.kind === 'measured') outcome.measured.push(news.measured)
    else outcome[news.kind].set(news.name, news.reason)
  }
  const stop = (): void => void child.kill()
  signal?.addEventListener('abort', stop)
  const patience = { firstMs: Math.max(patienceMs, START_MS), ms: patienceMs }
  // Several times within the patience.
  const given = { ...job, aliveMs: Math.min(2000, patienceMs / 4) }
  try {
    await patiently(child, patience, (alive) => {
      const onNews = (news: CompareNews): void => {
        alive()
        hear(news)
      }
      return child.call('work', given, { onNews })
    })
  } catch (error) {
    if (signal?.aborted) return outcome
    if (error instanceof SpikewasmError || !child.failure) throw error
    await child.end()
    const how =
      error instanceof SideSilent
        ? `did not end within ${error.seconds} s; its process was killed`
        : (error as Error).message
    const last = child.lastWords(4)
    const reason = last === '' ? how : `${how}: ${last}`
    if (running === undefined) fail(`a process that measures ${reason}`)
    failed.set(running, reason)
    outcome.isWhole = false
  } finally {
    signal?.removeEventListener('abort', stop)
    await child.end()
  }
  return outcome
}
