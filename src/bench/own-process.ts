/** Benchmarks of a user's own from outside: a process for each, which is ended when it hangs. */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { SpikewasmError } from '../errors.js'
import { wideVectors } from '../runtime/revectorize.js'
import type { Work } from './benchmark.js'
import type { Group } from './group.js'
import type { Budget, Measured } from './measure.js'
import { addReport, emptyReport } from './report.js'
import { reportResults } from './table.js'

/** What a process is told. */
export interface OwnJob {
  readonly paths: readonly string[]
  /** Whether V8 may use wide vectors. */
  readonly wide: boolean
  /** What to measure; absent: list the names. */
  readonly name?: string
  readonly budget: Budget
}

/** A benchmark's figures, as they come from another process. */
export interface OwnResult {
  readonly name: string
  readonly measured: Measured
  readonly work: Work | undefined
  readonly density: string
}

/** What a process says. */
export type OwnMessage =
  | { readonly kind: 'begin' | 'alive' | 'stuck' }
  | { readonly kind: 'list'; readonly names: readonly string[] }
  | { readonly kind: 'measured'; readonly result: OwnResult }
  | { readonly kind: 'failed'; readonly reason: string; readonly isMistake: boolean }

/** A process that gives no sign of life for longer is ended. */
const PATIENCE_MS = 60_000
/** Flags of Node that the process gets too: those of V8 and of its messages. */
const PASSED = /^--(?!(inspect|test|eval|print|watch|import|require|loader|input-type|check))/

export interface OwnOptions {
  readonly budget: Budget
  readonly patienceMs?: number
  /** Ends the process. */
  readonly signal?: AbortSignal
}

type Answer = Extract<OwnMessage, { kind: 'list' | 'measured' }>

/** Names of the benchmarks in files. @throws SpikewasmError when they do not load */
export async function listOwn(paths: readonly string[], options: OwnOptions): Promise<string[]> {
  const answer = await runOwn(paths, undefined, options)
  return answer.kind === 'list' ? [...answer.names] : []
}

/** Measures one benchmark. @throws SpikewasmError that names it when it fails, ends or hangs */
export async function measureOwn(
  paths: readonly string[],
  name: string,
  options: OwnOptions,
): Promise<OwnResult> {
  const answer = await runOwn(paths, name, options)
  if (answer.kind === 'measured') return answer.result
  throw new Error(`"${name}" was not measured`)
}

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

async function runOwn(
  paths: readonly string[],
  name: string | undefined,
  { budget, patienceMs = PATIENCE_MS, signal }: OwnOptions,
): Promise<Answer> {
  const job: OwnJob = { paths, name, budget, wide: (await wideVectors()).on }
  const child = fork(fileURLToPath(new URL('./own-child.js', import.meta.url)), [], {
    execArgv: process.execArgv.filter((flag) => PASSED.test(flag)),
    // What benchmarks print must not get into tables and JSON of ours.
    stdio: ['ignore', 2, 2, 'ipc'],
  })
  const leave = (): void => void child.kill('SIGKILL')
  process.once('exit', leave)
  signal?.addEventListener('abort', leave, { once: true })
  let [running, isHanging]: [string | undefined, boolean] = [undefined, false]
  let said: OwnMessage | undefined
  let timer: NodeJS.Timeout | undefined
  let waitsMs = 0
  const wait = (ms = patienceMs): void => {
    clearTimeout(timer)
    waitsMs = ms
    timer = setTimeout(() => {
      isHanging = true
      leave()
    }, ms)
  }
  try {
    return await new Promise((resolve, reject) => {
      const fail = (how: string): void => reject(failure(paths, running, how))
      child.on('error', (error) => fail(`could not be started: ${error.message}`))
      child.on('message', (message: OwnMessage) => {
        wait()
        if (message.kind === 'begin') running = name
        else if (message.kind !== 'alive') said ??= message
      })
      child.on('close', (code, killed) => {
        if (isHanging) return fail(`gave no sign of life for ${waitsMs / 1000} s`)
        switch (said?.kind) {
          case 'list':
          case 'measured':
            return resolve(said)
          case 'stuck':
            return fail('waits for a promise that never settles')
          case 'failed':
            if (said.isMistake) return reject(new SpikewasmError(said.reason))
            return fail(`threw ${said.reason.split('\n')[0]}`)
          default:
            return fail(`ended its process (${killed ?? `exit code ${code}`})`)
        }
      })
      // On a busy machine a process may take longer to start than a benchmark may be silent.
      wait(Math.max(patienceMs, PATIENCE_MS))
      child.send(job)
    })
  } finally {
    clearTimeout(timer)
    process.off('exit', leave)
    signal?.removeEventListener('abort', leave)
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
