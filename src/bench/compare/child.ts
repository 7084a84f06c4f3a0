/**
 * A process that measures. It loads the builds, prepares each benchmark for all of them and lets
 * their blocks take turns. Where memory lies and who comes first is drawn anew in each process.
 */
import '../../model/node.js'
import { Purpose, RandomStream } from '../../base/random.js'
import { serveProcess } from '../../engine/node/child.js'
import { switchOnWideVectors } from '../../engine/revectorize.js'
import type { Ask } from '../../engine/threads/calls.js'
import type { Benchmark, Build, Prepared, Work } from '../benchmark.js'
import { watchOthers } from '../conditions.js'
import { shareWeights } from '../networks.js'
import { type LimitRate, limits, memoryMoves } from '../peak.js'
import { findBuild, loadBuild } from './builds.js'
import type { CompareCalls, CompareNews, Job, Measured } from './process.js'
import { takeTurns } from './turns.js'

/** Least time for a benchmark; below it nothing settles. */
const LEAST_MS = 40
/** Memory that is touched and kept, so that later allocations lie elsewhere: up to so much. */
const SHIFT_BYTES = 4 * 2 ** 20
/** More than the caches of a core hold. */
const COPIED_BYTES = 8 * 2 ** 20

type List = (selection: unknown, filter?: string) => readonly Benchmark[]

async function work(job: Job, { say }: Ask<CompareNews>): Promise<void> {
  const { seconds, eachMs, aliveMs = 2000, weights, filter = '', measured } = job
  const end = performance.now() + 1000 * seconds
  let said = performance.now()
  /** Tells the parent that a long benchmark goes on. */
  const onBlock = (): void => {
    if (performance.now() < said + aliveMs) return
    said = performance.now()
    void say({ kind: 'alive' })
  }
  if (job.wide) await switchOnWideVectors()
  const onTrained = (weights: Job['weights']): void => void say({ kind: 'trained', weights })
  shareWeights({ weights, onStep: onBlock, onTrained })
  const random = new RandomStream(Purpose.Shuffle)
  random.start(job.seed, 0, 0)
  const builds: Build[] = []
  for (const i of shuffled([...job.builds.keys()], random)) {
    const files = await findBuild(job.builds[i], i === 0 ? 'this build' : 'bench.against')
    builds[i] = await loadBuild(files, i === 0 ? 'this' : 'other')
  }
  const cases = (await import(job.cases)) as Record<'listBenchmarks' | 'listCompared', List>
  const listed = cases[eachMs === undefined ? 'listCompared' : 'listBenchmarks'](
    job.selection,
    job.filter,
  ).filter(({ name }) => name.includes(filter))
  await say({ kind: 'list', names: listed.map(({ name }) => name) })
  const wanted = job.names && new Set(job.names)
  const chosen = listed.filter(({ name }) => wanted?.has(name) ?? true)
  const list = shuffled(chosen, random).sort(
    (a, b) => (measured[a.name] ?? 0) - (measured[b.name] ?? 0),
  )
  // One round does not show how times scatter; comparisons have other processes for that.
  const leastRounds = eachMs === undefined ? 1 : 3
  const own = { builds, calibratesAll: job.calibrate, random, leastRounds, onBlock }
  const bench: Bench = { ...own, kept: [], running: 0 }
  for (const [i, benchmark] of list.entries()) {
    const left = end - performance.now()
    // What could not be measured comes first in the next process. One is measured in any case: a
    // slow machine may need all of a short time to start.
    if (eachMs === undefined && left <= 0 && i > 0) break
    await say({ kind: 'begin', name: benchmark.name })
    const ms = eachMs ?? Math.max(LEAST_MS, left / (list.length - i))
    await say(await measure(bench, benchmark, ms))
  }
}

function shuffled<T>(values: readonly T[], random: RandomStream): T[] {
  const list = [...values]
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[list[i], list[j]] = [list[j], list[i]]
  }
  return list
}

/** Only a mistake is for the user as it is; the rest needs a place in the code. */
function reasonOf(error: unknown): string {
  const { name = '', message = String(error), stack = '' } = error instanceof Error ? error : {}
  const [, place] = /^ +at (.*)$/m.exec(stack) ?? []
  if (name === 'SpikewasmError' || name === '') return message
  return `${name}: ${message}${place === undefined ? '' : ` (at ${place})`}`
}

/** What work is held against; undefined: nothing, only its time counts. */
function limitOf(work: Work | undefined, threads: number): LimitRate | undefined {
  if (!work?.limit) return undefined
  const { limit, amount, least = amount, written } = work
  if (limit !== 'memory') return limits[limit]()
  // Threads share the memory, but have caches of their own: no pass of one thread is their limit.
  return threads > 1 ? undefined : memoryMoves(1e9 * least, written)
}

/** Each of the limits, or multiplications and additions alone; 2 ms each. */
const calibrate = (all: boolean): number[] =>
  [limits['multiply-add'](), limits['event-adds'](), memoryMoves(COPIED_BYTES)]
    .slice(0, all ? 3 : 1)
    .map((limit) => Math.log(limit.look()))

/** What all benchmarks of a process are measured with. */
interface Bench {
  readonly builds: readonly Build[]
  /** Whether all limits are looked at. */
  readonly calibratesAll: boolean
  readonly random: RandomStream
  readonly leastRounds: number
  onBlock(): void
  readonly kept: Uint8Array[]
  /** The build that is prepared or runs. */
  running: number
}

async function prepare(
  bench: Bench,
  benchmark: Benchmark,
  prepared: Prepared[],
  side: number,
): Promise<Prepared> {
  bench.running = side
  prepared[side] ??= await benchmark.prepare(bench.builds[side])
  return prepared[side]
}

async function timed(
  bench: Bench,
  benchmark: Benchmark,
  prepared: Prepared[],
  ms: number,
): Promise<Measured> {
  const { random, calibratesAll } = bench
  const { name, threads = 1 } = benchmark
  const [start, others] = [performance.now(), watchOthers()]
  shift(bench)
  // In an order, and at a place in memory, that the dice choose.
  const sides = [...bench.builds.keys()]
  for (const side of shuffled(sides, random)) await prepare(bench, benchmark, prepared, side)
  const calls = prepared.map((one, side) => () => {
    bench.running = side
    return one.run()
  })
  for (const side of shuffled(sides, random)) await calls[side]()
  bench.onBlock()
  const { work = benchmark.work } = prepared[0]
  const limit = calls.length > 1 ? undefined : limitOf(work, threads)
  const [before, look] = [calibrate(calibratesAll), limit?.look()]
  // What went into the preparation is missing now; half of the time is due in any case.
  const left = Math.max(ms / 2, ms - (performance.now() - start))
  const budget = { ...bench, ms: left, countsWaiting: threads > 1 }
  const turns = await takeTurns(calls, budget, random)
  const looks = limit && look ? ([look, limit.look()] as const) : undefined
  const behind = calibrate(calibratesAll)
  const [multiplyAdd, eventAdds, copy] = before.map((rate, i) => (rate + behind[i]) / 2)
  return {
    name,
    ...turns,
    work,
    threads,
    looks,
    limitUnit: limit?.unit,
    densities: prepared.map(({ density }) => density),
    calibration: { multiplyAdd, eventAdds, copy },
    others: others(),
    spentMs: performance.now() - start,
  }
}

/** Lets what is allocated next lie elsewhere. */
function shift({ random, kept }: Bench): void {
  const bytes = new Uint8Array(4096 * random.below(SHIFT_BYTES / 4096))
  for (let at = 0; at < bytes.length; at += 4096) bytes[at] = 1
  kept.push(bytes)
  if (kept.length > 8) kept.splice(random.below(8), 1)
}

async function measure(bench: Bench, benchmark: Benchmark, ms: number): Promise<CompareNews> {
  const prepared: Prepared[] = []
  const { name } = benchmark
  try {
    return { kind: 'measured', measured: await timed(bench, benchmark, prepared, ms) }
  } catch (error) {
    if (bench.running === 0) return { kind: 'failed', name, reason: reasonOf(error) }
    // What fails in both builds is no fault of the other one.
    try {
      await (await prepare(bench, benchmark, prepared, 0)).run()
    } catch (own) {
      return { kind: 'failed', name, reason: reasonOf(own) }
    }
    const { message } = error as Error
    return { kind: 'skipped', name, reason: `the other build: ${message}` }
  } finally {
    for (const one of prepared) await one?.dispose?.()
    globalThis.gc?.()
  }
}

const calls: CompareCalls = { work }
// Ctrl-C in a terminal goes to all its processes; this one is ended by its parent.
process.on('SIGINT', () => {})
serveProcess({ ...calls })
