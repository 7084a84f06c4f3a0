/** Benchmarks of a user's own from outside: a process for each, which is ended when it hangs. */
import { SpikewasmError } from '../errors.js'
import { Gone, patiently, Silent } from '../runtime/calls.js'
import { Child, flagsOfNode } from '../runtime/node/child.js'
import { wideVectors } from '../runtime/revectorize.js'
import type { Group } from './group.js'
import type { Budget } from './measure.js'
import type { OwnCalls, OwnJob, OwnResult } from './own-child.js'
import { addReport, emptyReport } from './report.js'
import { reportResults } from './table.js'

/** A process that gives no sign of life for longer is ended. */
const PATIENCE_MS = 60_000

export interface OwnOptions {
  readonly budget: Budget
  readonly patienceMs?: number
  /** Ends the process. */
  readonly signal?: AbortSignal
}

/** Names of the benchmarks in files. @throws SpikewasmError when they do not load */
export const listOwn = (paths: readonly string[], options: OwnOptions): Promise<string[]> =>
  runOwn(paths, undefined, options, (child, job) => child.call('list', job))

/** Measures one benchmark. @throws SpikewasmError that names it when it fails, ends or hangs */
export const measureOwn = (
  paths: readonly string[],
  name: string,
  options: OwnOptions,
): Promise<OwnResult> =>
  runOwn(paths, name, options, (child, job, onNews) =>
    child.call('measure', { ...job, name }, { onNews }),
  )

/** What went wrong, in one message: while files load, or in a benchmark. */
function failure(paths: readonly string[], running: string | undefined, how: string): Error {
  return new SpikewasmError(
    running === undefined
      ? `${paths.join(', ')}: must be files that load, got one that ${how}; mend it, or ` +
          'leave it out'
      : `bench "${running}" must run without an error, got one that ${how}; mend the function, ` +
          'or leave it out with --filter',
  )
}

/** The same of what a process has said, or how it has ended. */
function howOf(error: Error): string {
  if (error instanceof Silent) return `gave no sign of life for ${error.seconds} s`
  if (error instanceof Gone) return error.message
  if (error.name === 'Stuck') return 'waits for a promise that never settles'
  return `threw ${String(error).split('\n')[0]}`
}

async function runOwn<R>(
  paths: readonly string[],
  name: string | undefined,
  { budget, patienceMs = PATIENCE_MS, signal }: OwnOptions,
  ask: (
    child: Child<OwnCalls>,
    job: OwnJob,
    onNews: (news: 'begin' | 'alive') => void,
  ) => Promise<R>,
): Promise<R> {
  const job: OwnJob = { paths, budget, wide: (await wideVectors()).on }
  const child = new Child<OwnCalls>(new URL('./own-child.js', import.meta.url), {
    execArgv: flagsOfNode(),
    // What benchmarks print must not get into tables and JSON of ours.
    stdio: ['ignore', 2, 2, 'ipc'],
  })
  const leave = (): void => void child.kill()
  signal?.addEventListener('abort', leave, { once: true })
  let running: string | undefined
  // On a busy machine a process may take longer to start than a benchmark may be silent.
  const patience = { firstMs: Math.max(patienceMs, PATIENCE_MS), ms: patienceMs }
  try {
    return await patiently(child, patience, (alive) =>
      ask(child, job, (news) => {
        alive()
        if (news === 'begin') running = name
      }),
    )
  } catch (error) {
    if (error instanceof SpikewasmError) throw error
    throw failure(paths, running, howOf(error as Error))
  } finally {
    signal?.removeEventListener('abort', leave)
    await child.end()
  }
}

/** Benchmarks in files of a user's own, as a group. */
export async function ownGroup(
  paths: readonly string[],
  options: OwnOptions,
  label: string,
  notes: readonly string[],
): Promise<Group> {
  const names = await listOwn(paths, options)
  return {
    section: 'own',
    names,
    run: async (wanted, progress, signal) => {
      const report = emptyReport()
      const results: OwnResult[] = []
      for (const name of names.filter((each) => wanted.has(each))) {
        if (signal?.aborted) break
        progress(name)
        try {
          results.push(await measureOwn(paths, name, { ...options, signal }))
        } catch (error) {
          if (signal?.aborted) break
          if (!(error instanceof SpikewasmError)) throw error
          report.failed.set(name, error.message)
        }
      }
      if (results.length > 0)
        addReport(report, reportResults('own', notes, results.map(withName), label))
      return report
    },
  }
}

const withName = ({ name, ...figures }: OwnResult) => ({ ...figures, benchmark: { name } })
