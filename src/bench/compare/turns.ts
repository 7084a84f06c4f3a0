/**
 * One or two ways to do the same work, timed in short blocks that take turns, in one process. What
 * disturbs the machine for a while disturbs both, and the ratio of a round stays.
 */
import { median } from '../../base/numbers.js'
import type { RandomStream } from '../../base/random.js'

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

export interface Turns {
  /** Milliseconds of a call, one list a call, one number a round. */
  readonly times: readonly (readonly number[])[]
  /** Whether times had settled by the middle of the rounds. */
  readonly isSteady: boolean
}

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

/** Leaves out rounds at the start in which one side was still slow; at most half of them. */
function settled(times: readonly (readonly number[])[]): Turns {
  const rounds = times[0].length
  const half = rounds >> 1
  const later = times.map((side) => median(side.slice(-Math.max(1, rounds >> 2))))
  let from = 0
  while (from < half && times.some((side, i) => side[from] > UNSETTLED * later[i])) from++
  return { times: times.map((side) => side.slice(from)), isSteady: half < 2 || from < half }
}
