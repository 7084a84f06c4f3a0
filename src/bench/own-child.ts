/**
 * A process for benchmarks of a user's own: lists those of some files, or measures one of them. So
 * whatever a benchmark does, print, hang, end its process or leave timers open, hits that process
 * alone. V8 has seen no other benchmark there: their order does not decide their times.
 */
import '../node.js'
import { readFileSync } from 'node:fs'
import type { Ask } from '../runtime/calls.js'
import { serveProcess } from '../runtime/node/child.js'
import { switchOnWideVectors } from '../runtime/revectorize.js'
import type { Benchmark, Build, Work } from './benchmark.js'
import { findBuild, loadBuild, ownRoot, unloadedBuild } from './compare/builds.js'
import type { Budget, Measured } from './measure.js'
import { ownBenchmarks } from './own.js'
import { measureBenchmark } from './table.js'

/** What a process is told. */
export interface OwnJob {
  readonly paths: readonly string[]
  /** Whether V8 may use wide vectors. */
  readonly wide: boolean
  readonly budget: Budget
}

/** A benchmark's figures, as they come from another process. */
export interface OwnResult {
  readonly name: string
  readonly measured: Measured
  readonly work: Work | undefined
  readonly density: string
}

/** One turn of the event loop: promises that were rejected meanwhile are heard of. */
const turn = (): Promise<void> => new Promise((done) => void setImmediate(done))

/**
 * Whether files import this package themselves. It loads faster as long as Node does not ask what
 * an own file means by each import; one that a helper imports is slower, and no more.
 */
const mentionPackage = (paths: readonly string[]): boolean =>
  paths.some((path) => {
    try {
      return readFileSync(path, 'utf8').includes('spikewasm')
    } catch {
      // Who loads it says what is wrong with it.
      return false
    }
  })

async function open({ paths, wide }: OwnJob): Promise<[Build, readonly Benchmark[]]> {
  if (wide) await switchOnWideVectors()
  const files = await findBuild(ownRoot(), 'this build')
  if (mentionPackage(paths)) await loadBuild(files, 'this')
  const build = unloadedBuild(files, 'this')
  const benchmarks = await ownBenchmarks(paths, [{ build, files }])
  await turn()
  return [build, benchmarks]
}

async function list(job: OwnJob): Promise<string[]> {
  const [, benchmarks] = await open(job)
  return benchmarks.map(({ name }) => name)
}

async function measure(
  job: OwnJob & { readonly name: string },
  { say }: Ask<'begin' | 'alive'>,
): Promise<OwnResult> {
  const { name, budget } = job
  const [build, benchmarks] = await open(job)
  const benchmark = benchmarks.find((each) => each.name === name)
  if (benchmark === undefined) throw new Error('it is there only at times')
  await say('begin')
  const { measured, work, density } = await measureBenchmark(benchmark, build, budget, async () =>
    say('alive'),
  )
  await turn()
  return { name, measured, work, density }
}

/** Ends with the first of these: the result, an error that nobody catches, nothing left to do. */
const guarded =
  <A extends unknown[], R>(run: (...given: A) => Promise<R>) =>
  (...given: A): Promise<R> =>
    new Promise((resolve, reject) => {
      process.channel?.unref()
      // A rejected promise that nobody waits for comes here too.
      process.on('uncaughtException', reject)
      process.once('beforeExit', () => reject(Object.assign(new Error(), { name: 'Stuck' })))
      run(...given).then(resolve, reject)
    })

const calls = { list: guarded(list), measure: guarded(measure) }

export type OwnCalls = typeof calls

// Ctrl-C in a terminal goes to all its processes; ours is ended by its parent.
process.on('SIGINT', () => {})
serveProcess(calls)
