/**
 * A process that measures. It loads the builds, prepares each benchmark for all of them and lets
 * their blocks take turns. Where memory lies and who comes first is drawn anew in each process.
 */

import '../../model/node.js'
import { median } from '../../base/numbers.js'
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

// One or two ways to do the same work, timed in short blocks that take turns, in one process. What
// disturbs the machine for a while disturbs both, and the ratio of a round stays.

/** One call; what it returns counts only where it is a promise. */
export type Call = () => unknown

export interface TurnsBudget {
  /** Milliseconds for warm-up and rounds together. A last call may go beyond. */
  readonly ms: number
  /**
   * Whether time that the process waits counts, as for work on several threads. Else a block that
   * was interrupted counts the processor's time.
   */
  readonly countsWaiting: boolean
  /** So many rounds are made even where that takes longer. Default 1. */
  readonly leastRounds?: number
  /** And not more. Default 64. */
  readonly mostRounds?: number
  /** Called in front of each block. */
  onBlock?(): void
}

/** About how long a block takes, if a call is not longer. */
const BLOCK_MS = 0.7

/** Milliseconds since some moment. */
export interface Clock {
  /** By the wall's clock. */
  wall(): number
  /** The time that this process had a processor; undefined where the system counts too coarsely. */
  processor?(): number
}

const clockOfSystem: Clock = {
  wall: () => performance.now(),
  ...(process.platform !== 'win32' && {
    processor() {
      const { user, system } = process.cpuUsage()
      return (user + system) / 1000
    },
  }),
}

/**
 * Milliseconds of so many calls: of the wall, or the shorter one of its time and the processor's.
 * Where others took the processor away, the wall counts too much; where V8 compiled on other
 * threads, the processor's clock does.
 */
async function timeBlock(
  call: Call,
  count: number,
  { wall, processor }: Clock,
  countsWaiting: boolean,
): Promise<number> {
  const [before, start] = [processor?.() ?? 0, wall()]
  for (let i = 0; i < count; i++) {
    const pending = call()
    // A kernel may return its output.
    if (pending instanceof Promise) await pending
  }
  const ms = wall() - start
  return countsWaiting || !processor ? ms : Math.min(ms, processor() - before)
}

/** The warm-up takes at least and at most such a share of the budget, or so many milliseconds. */
const [WARM_LEAST, WARM_MOST] = [0.2, 0.5]
const [WARM_LEAST_MS, WARM_MOST_MS] = [60, 1000]
/** Times that differ by less have settled. */
const SETTLED = 0.05
/** Blocks of which the median is compared. */
const WINDOW = 4
/** A first round that is so much slower than the last quarter of them belongs to the warm-up. */
const UNSETTLED = 1.1

/**
 * Warms up until times have settled, then measures rounds: a b b a or b a a b, as the dice fall. A
 * machine that grows slower favours neither.
 * @param calls one or two
 * @param random decides who begins
 */
export async function takeTurns(
  calls: readonly Call[],
  budget: TurnsBudget,
  random: RandomStream,
  clock: Clock = clockOfSystem,
): Promise<Turns> {
  const start = clock.wall()
  const block = (side: number, count: number): Promise<number> => {
    budget.onBlock?.()
    return timeBlock(calls[side], count, clock, budget.countsWaiting)
  }
  const callMs = await warmUp(calls.length, block, budget, () => clock.wall() - start)
  const count = Math.max(1, Math.ceil(BLOCK_MS / callMs))
  const times = calls.map((): number[] => [])
  const { ms, leastRounds = 1, mostRounds = 64 } = budget
  const isOver = (round: number): boolean =>
    round >= mostRounds || (round >= leastRounds && clock.wall() - start >= ms)
  for (let round = 0; !isOver(round); round++) {
    const sums = calls.map(() => 0)
    const first = calls.length > 1 ? random.below(2) : 0
    const order = calls.length > 1 ? [first, 1 - first, 1 - first, first] : [0, 0]
    for (const side of order) sums[side] += await block(side, count)
    sums.forEach((sum, side) => void times[side].push(sum / 2 / count))
  }
  return settled(times)
}

/** @returns milliseconds of a call, mean over the sides */
async function warmUp(
  sides: number,
  block: (side: number, count: number) => Promise<number>,
  { ms }: TurnsBudget,
  spent: () => number,
): Promise<number> {
  const blocks: number[] = []
  const least = Math.min(WARM_LEAST * ms, WARM_LEAST_MS)
  const most = Math.min(WARM_MOST * ms, WARM_MOST_MS)
  let [count, callMs] = [1, Number.POSITIVE_INFINITY]
  for (;;) {
    let sum = 0
    for (let side = 0; side < sides; side++) sum += await block(side, count)
    const mean = Math.max(sum / sides / count, 1e-6)
    blocks.push(mean)
    callMs = Math.min(callMs, mean)
    const isLong = callMs * sides > WARM_LEAST * ms
    // A long call has been optimised within itself.
    const isWarm = spent() > most || (spent() > least && hasSettled(blocks))
    if (isWarm || (isLong && blocks.length > 1)) return callMs
    count = Math.max(1, Math.min(2 * count, Math.ceil(BLOCK_MS / callMs)))
  }
}

function hasSettled(blocks: readonly number[]): boolean {
  if (blocks.length < 2 * WINDOW) return false
  const [before, last] = [blocks.slice(-2 * WINDOW, -WINDOW), blocks.slice(-WINDOW)]
  return median(before) / median(last) < 1 + SETTLED
}

/**
 * Milliseconds of a call, one list a call, one number a round, and whether they had settled by the
 * middle of the rounds.
 */
type Turns = ReturnType<typeof settled>

/** Leaves out rounds at the start in which one side was still slow; at most half of them. */
function settled(times: readonly (readonly number[])[]) {
  const rounds = times[0].length
  const half = rounds >> 1
  const later = times.map((side) => median(side.slice(-Math.max(1, rounds >> 2))))
  let from = 0
  while (from < half && times.some((side, i) => side[from] > UNSETTLED * later[i])) from++
  return { times: times.map((side) => side.slice(from)), isSteady: half < 2 || from < half }
}

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
