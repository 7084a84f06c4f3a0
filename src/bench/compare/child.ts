/**
 * A child process of a comparison. It loads the builds, prepares each benchmark for all of them and
 * lets their blocks take turns. Where memory lies and who comes first is drawn anew in each child.
 */
import '../../node.js'
import { Purpose, RandomStream } from '../../random.js'
import type { Ask } from '../../runtime/calls.js'
import { serveProcess } from '../../runtime/node/child.js'
import { switchOnWideVectors } from '../../runtime/revectorize.js'
import type { Benchmark, Build, Prepared } from '../benchmark.js'
import { watchOthers } from '../others.js'
import { ownBenchmarks } from '../own.js'
import { shareWeights } from '../shared-weights.js'
import { type BuildFiles, findBuild, loadBuild } from './builds.js'
import { calibrate, meanOf } from './calibrate.js'
import type { CompareNews, Job, Measured } from './job.js'
import { type Call, findClock, takeTurns } from './turns.js'

/** Least time for a benchmark; below it nothing settles. */
const LEAST_MS = 40
const BLOCK_MS = 0.7
const MAX_ROUNDS = 64
/** Memory that is touched and kept, so that later allocations lie elsewhere: up to so much. */
const SHIFT_BYTES = 4 * 2 ** 20
const ALIVE_MS = 2000

interface CasesModule {
  listBenchmarks(selection: unknown, filter: string | undefined): readonly Benchmark[]
}

type Say = Ask<CompareNews>['say']

let say: Say = () => {}
let said = performance.now()
let aliveMs = ALIVE_MS

/** Tells the parent that a long benchmark goes on. */
function sayAlive(): void {
  if (performance.now() < said + aliveMs) return
  said = performance.now()
  void say({ kind: 'alive' })
}

async function work(job: Job, ask: Ask<CompareNews>): Promise<void> {
  ;({ say } = ask)
  const end = performance.now() + 1000 * job.seconds
  aliveMs = job.aliveMs ?? ALIVE_MS
  if (job.wide) await switchOnWideVectors()
  shareWeights({ folder: job.weights, onStep: sayAlive })
  const random = new RandomStream(Purpose.Shuffle)
  random.start(job.seed, 0, 0)
  const { builds, benchmarks } = await load(job, random)
  const wanted = job.names
  const all = benchmarks.filter(({ name }) => job.filter === undefined || name.includes(job.filter))
  await say({ kind: 'list', names: all.map(({ name }) => name) })
  const names = wanted === undefined ? undefined : new Set(wanted)
  const list = shuffled(
    all.filter(({ name }) => names?.has(name) ?? true),
    random,
  ).sort((a, b) => (job.measured[a.name] ?? 0) - (job.measured[b.name] ?? 0))
  const runner = new Runner(builds, job.calibrate, random)
  for (const [i, benchmark] of list.entries()) {
    const left = end - performance.now()
    // What could not be measured comes first in the next process. One is measured in any case: a
    // slow machine may need all of a short time to start.
    if (left <= 0 && i > 0) break
    await say({ kind: 'begin', name: benchmark.name })
    await say(await runner.measure(benchmark, Math.max(LEAST_MS, left / (list.length - i))))
  }
}

async function load(
  job: Job,
  random: RandomStream,
): Promise<{ builds: Build[]; benchmarks: readonly Benchmark[] }> {
  const files: BuildFiles[] = []
  for (const [i, folder] of job.builds.entries())
    files.push(await findBuild(folder, i === 0 ? 'this build' : 'bench.against'))
  const builds: Build[] = []
  const order = shuffled([...files.keys()], random)
  for (const i of order) builds[i] = await loadBuild(files[i], i === 0 ? 'this' : 'other')
  if (job.own.length > 0) {
    const sides = builds.map((build, i) => ({ build, files: files[i] }))
    return { builds, benchmarks: await ownBenchmarks(job.own, sides) }
  }
  const cases = (await import(job.cases)) as CasesModule
  return { builds, benchmarks: cases.listBenchmarks(job.selection, job.filter) }
}

function shuffled<T>(values: readonly T[], random: RandomStream): T[] {
  const list = [...values]
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const value = list[i]
    list[i] = list[j]
    list[j] = value
  }
  return list
}

/** Nobody else's fault: the other build cannot prepare or run a benchmark. */
class CannotRun extends Error {
  constructor(
    readonly side: number,
    override readonly cause: unknown,
  ) {
    super(String(cause instanceof Error ? cause.message : cause))
  }
}

/** An error in one line, with the place where it was thrown. */
function withPlace({ name, message, stack = '' }: Error): string {
  const place = stack.match(/^ +at (.*)$/m)?.[1]
  return `${name}: ${message}${place === undefined ? '' : ` (at ${place})`}`
}

/** The other build may be unable to tell. */
function densityOf(prepared: Prepared): string | undefined {
  try {
    return prepared.density
  } catch {
    return undefined
  }
}

class Runner {
  private readonly clock = findClock()
  private readonly kept: Uint8Array[] = []

  constructor(
    private readonly builds: readonly Build[],
    private readonly calibrateAll: boolean,
    private readonly random: RandomStream,
  ) {}

  async measure(benchmark: Benchmark, ms: number): Promise<CompareNews> {
    const prepared: Prepared[] = []
    const { name } = benchmark
    try {
      return { kind: 'measured', measured: await this.timed(benchmark, prepared, ms) }
    } catch (error) {
      if (!(error instanceof CannotRun)) throw error
      const { side, cause, message } = error
      // Only a mistake is for the user as it is; the rest needs a place in the code.
      const isMistake = cause instanceof Error && cause.name === 'SpikewasmError'
      const reason = isMistake || !(cause instanceof Error) ? message : withPlace(cause)
      return side === 1
        ? { kind: 'skipped', name, reason: `the other build: ${message}` }
        : { kind: 'failed', name, reason }
    } finally {
      for (const side of prepared) await side?.dispose?.()
      globalThis.gc?.()
    }
  }

  private async timed(benchmark: Benchmark, prepared: Prepared[], ms: number): Promise<Measured> {
    const start = performance.now()
    const others = watchOthers()
    await this.prepare(benchmark, prepared)
    const before = calibrate(this.calibrateAll)
    const calls = prepared.map(({ run }, side) => this.guarded(run.bind(prepared[side]), side))
    await this.tryAll(calls)
    sayAlive()
    // What went into the preparation is missing now; half of the time is due in any case.
    const left = Math.max(ms / 2, ms - (performance.now() - start))
    const { times, isSteady } = await takeTurns(
      calls,
      {
        ms: left,
        blockMs: BLOCK_MS,
        minRounds: 1,
        maxRounds: MAX_ROUNDS,
        // What others have written may wait.
        countsWaiting: benchmark.section === 'own' ? undefined : (benchmark.threads ?? 1) > 1,
        onBlock: sayAlive,
      },
      this.random,
      this.clock,
    )
    const calibration = meanOf(before, calibrate(this.calibrateAll))
    return {
      name: benchmark.name,
      times,
      isSteady,
      densities: prepared.map(densityOf),
      calibration,
      others: others(),
      spentMs: performance.now() - start,
    }
  }

  /** First calls, in a drawn order. What fails in both builds is no fault of the other one. */
  private async tryAll(calls: readonly Call[]): Promise<void> {
    for (const side of shuffled([...calls.keys()], this.random)) {
      try {
        await calls[side]()
      } catch (error) {
        if (side > 0) await calls[0]()
        throw error
      }
    }
  }

  /** Prepares all sides, in an order and at a place in memory that the dice choose. */
  private async prepare(benchmark: Benchmark, prepared: Prepared[]): Promise<void> {
    const shift = new Uint8Array(4096 * this.random.below(SHIFT_BYTES / 4096))
    for (let at = 0; at < shift.length; at += 4096) shift[at] = 1
    this.kept.push(shift)
    if (this.kept.length > 8) this.kept.splice(this.random.below(8), 1)
    const prepareSide = async (side: number): Promise<void> => {
      try {
        prepared[side] = await benchmark.prepare(this.builds[side])
      } catch (error) {
        throw new CannotRun(side, error)
      }
    }
    for (const side of shuffled([...this.builds.keys()], this.random)) {
      try {
        await prepareSide(side)
      } catch (error) {
        if (side > 0 && !prepared[0]) await prepareSide(0)
        throw error
      }
    }
  }

  private guarded(run: Call, side: number): Call {
    return () => {
      try {
        const pending = run()
        if (!(pending instanceof Promise)) return pending
        return pending.then(undefined, (error: unknown) => {
          throw new CannotRun(side, error)
        })
      } catch (error) {
        throw new CannotRun(side, error)
      }
    }
  }
}

const calls = { work }

export type CompareCalls = typeof calls

serveProcess(calls)
