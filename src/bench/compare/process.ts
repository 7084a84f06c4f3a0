/** Child processes as the parent sees them: started, listened to, and ended when they hang. */
import { SpikewasmError } from '../../errors.js'
import { patiently, Silent } from '../../runtime/calls.js'
import { Child, flagsOfNode } from '../../runtime/node/child.js'
import type { CompareCalls } from './child.js'
import type { CompareNews, Job, Measured } from './job.js'

/** What a child said by its end. */
export interface Outcome {
  /** Names of all benchmarks, whether measured or not. */
  readonly names: readonly string[]
  readonly measured: readonly Measured[]
  /** Reasons by name. */
  readonly skipped: ReadonlyMap<string, string>
  readonly failed: ReadonlyMap<string, string>
  /** Whether it came to its end; else the last of the failed ones has ended it. */
  readonly isWhole: boolean
}

export interface ChildOptions {
  /** A child that says nothing for longer is killed. */
  readonly patienceMs: number
  /** Called when a benchmark begins. */
  onBegin?(name: string): void
}

/** A child may take so long to start, whatever benchmarks may: the machine may be busy. */
const START_MS = 60_000

/**
 * Runs a job in a process of its own.
 * @throws SpikewasmError when nothing could be measured at all, for example because a build is
 *   missing. A benchmark that throws, hangs or ends the process is a failure in the outcome.
 */
export async function runChild(job: Job, options: ChildOptions): Promise<Outcome> {
  const { patienceMs } = options
  const child = new Child<CompareCalls>(new URL('./child.js', import.meta.url), {
    execArgv: [...flagsOfNode(), GC],
    // What benchmarks print must not get into tables and JSON of ours.
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const outcome = {
    names: [] as readonly string[],
    measured: [] as Measured[],
    skipped: new Map<string, string>(),
    failed: new Map<string, string>(),
    isWhole: true,
  }
  let running: string | undefined
  const hear = (news: CompareNews): void => {
    if (news.kind === 'alive') return
    running = news.kind === 'begin' ? news.name : undefined
    if (news.kind === 'begin') options.onBegin?.(news.name)
    else if (news.kind === 'list') outcome.names = news.names
    else if (news.kind === 'measured') outcome.measured.push(news.measured)
    else outcome[news.kind].set(news.name, news.reason)
  }
  const patience = { firstMs: Math.max(patienceMs, START_MS), ms: patienceMs }
  // Several times within the patience.
  const given = { ...job, aliveMs: Math.min(2000, patienceMs / 4) }
  try {
    await patiently(child, patience, (alive) =>
      child.call('work', given, {
        onNews(news) {
          alive()
          hear(news)
        },
      }),
    )
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    const { message, stack = message } = error as Error
    if (!child.failure) throw new Error(`a child process failed: ${stack}`)
    await child.end()
    const how =
      error instanceof Silent
        ? `did not end within ${error.seconds} s; its process was killed`
        : message
    const last = child.lastWords(4)
    const reason = last === '' ? how : `${how}: ${last}`
    if (running === undefined)
      throw new SpikewasmError(`a child process of the comparison ${reason}`)
    outcome.failed.set(running, reason)
    outcome.isWhole = false
  } finally {
    await child.end()
  }
  return outcome
}

/** Between two benchmarks the memory of the last one is given back. */
const GC = '--expose-gc'
