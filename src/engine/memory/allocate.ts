/** Memory for a plan, or a message that says what would fit. */

import { fail } from '../../base/errors.js'
import { makePlan, type Plan, type PlanOptions, planInParts } from '../../compile/plan.js'
import { atOnce, type Parts } from '../../compile/program.js'
import { sizeOf } from '../../network/value.js'
import { platform, size } from '../platform.js'
import { inParts } from '../threads/breathe.js'
import { collect, expectAddresses } from './collect.js'
import { borrow, type Loan } from './memories.js'

const PAGE = 65536
const MAX_BYTES = 2 ** 32
/** How many plans a search for the largest batch may make: those of huge networks take a second. */
const MOST_PLANS = 8

/** What decides, beside the plan, which memory a model needs. */
export interface AllocateSettings {
  readonly threads: number
  readonly engine: string
  /** Default: as threads, engine and page need it. */
  readonly shared?: boolean
}

/** Whether the memory that programs run in is shared. */
export const isShared = ({ threads, engine, shared }: AllocateSettings): boolean =>
  shared ?? (platform().sharesMemory(threads) || engine !== 'release')

/** A batch of which planning is quick, unless a sample is large. */
const QUICK_BATCH = 4096
/** What is far too large, in times of all that WebAssembly addresses. */
const FAR = 16

/**
 * A plan, with pauses where the calling thread must stay free.
 *
 * @throws SpikewasmError as `planning` does
 */
export async function planFor(options: PlanOptions, threads: number): Promise<Plan> {
  const parts = planning(options, threads)
  return platform().staysFree ? inParts(parts) : atOnce(parts)
}

/**
 * A plan, in parts. One that is far too large is refused by small ones: it may have millions of
 * records.
 *
 * @throws SpikewasmError that says about how much it would need
 */
function* planning(options: PlanOptions, threads: number): Parts<Plan> {
  const { batchSize } = options
  const trial = trialBatch(options)
  if (batchSize > 2 * trial) {
    const bytesOf = function* (batch: number): Parts<number> {
      return (yield* planInParts({ ...options, batchSize: batch }, threads)).memory.total
    }
    const half = Math.ceil(trial / 2)
    const whole = 2 * half
    const [few, more] = [yield* bytesOf(half), yield* bytesOf(whole)]
    const about = more + ((more - few) / half) * (batchSize - whole)
    if (about > FAR * MAX_BYTES) {
      const line = { options, bytes: about }
      fail(
        `the model needs about ${size(about)} of memory for batchSize ${batchSize}, WebAssembly ` +
          `addresses at most 4 GiB; ${largestBatch(line, MAX_BYTES, threads)}`,
      )
    }
  }
  return yield* planInParts(options, threads)
}

/** A batch that tells what larger ones need: that of a layer fills at most the memory. */
function trialBatch({ graph, timeSteps }: PlanOptions): number {
  const values = graph.nodes.reduce((most, { shape }) => Math.max(most, sizeOf(shape)), 1)
  const fitting = Math.floor(MAX_BYTES / (4 * values * timeSteps))
  return Math.min(QUICK_BATCH, Math.max(1, fitting))
}

/**
 * All of it is zero. `giveBack` gets it when it is done.
 *
 * @throws SpikewasmError that says how much it needs, how much there is, and what to do
 */
export async function allocate(
  plan: Plan,
  settings: AllocateSettings,
): Promise<WebAssembly.Memory> {
  const { memory, take } = await allocateLoan(plan, settings)
  take?.()
  return memory
}

/** The same, zero once it is taken. */
export async function allocateLoan(
  plan: Plan,
  settings: AllocateSettings,
  get: (bytes: number, shared: boolean) => Promise<Loan> = borrow,
): Promise<Loan> {
  const { total } = plan.memory
  const shared = isShared(settings)
  const { batchSize } = plan.options
  const [name, bytes] = plan.buffers.reduce<[string, number]>(
    (best, b) => (b.bytes > best[1] ? [b.name, b.bytes] : best),
    ['', 0],
  )
  const needs =
    `the model needs ${size(total)} of memory for batchSize ${batchSize} ` +
    `(its largest buffer, ${name}: ${size(bytes)})`
  const refuse = (why: string, limit: number): never => {
    const { options } = plan
    const fewer = name.endsWith(' states') ? 'record fewer names, or: ' : ''
    const fitting = fewer + largestBatch({ options, bytes: total }, limit, settings.threads)
    fail(`${needs}, ${why}; ${fitting}`)
  }
  if (total > MAX_BYTES) return refuse('WebAssembly addresses at most 4 GiB', MAX_BYTES)
  try {
    return await get(total, shared)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    const limit = await granted(total, shared)
    if (limit === 0) {
      expectAddresses(needs, cause)
      fail(
        `${needs}, but this machine gives no memory at all now; dispose of models that are done ` +
          '(each reserves addresses), or end other programs',
        cause,
      )
    }
    return refuse(`more than the ${size(limit)} that this machine gives`, limit)
  }
}

/** How much memory can be had, in eighths of what was refused; 0 when none. */
async function granted(total: number, shared: boolean): Promise<number> {
  for (const eighths of [7, 6, 5, 4, 3, 2, 1, 0]) {
    const pages = Math.max(1, Math.floor((total * eighths) / 8 / PAGE))
    try {
      new WebAssembly.Memory({ initial: pages, maximum: pages, shared })
      await collect()
      return pages * PAGE
    } catch {
      // The next one is smaller.
    }
  }
  return 0
}

/**
 * Which batch stays within a limit, in words. Memory grows about evenly with the batch, so that few
 * plans find it.
 */
function largestBatch(
  { options, bytes }: { readonly options: PlanOptions; readonly bytes: number },
  limit: number,
  threads: number,
): string {
  const bytesOf = (batchSize: number): number =>
    makePlan({ ...options, batchSize }, threads).memory.total
  const none = 'not even a batch of 1 fits: make the network or the input smaller'
  if (options.batchSize === 1) return none
  let low = { batch: 1, bytes: bytesOf(1) }
  let high = { batch: options.batchSize, bytes }
  if (low.bytes > limit) return none
  for (let plans = 1; high.batch - low.batch > 1; plans++) {
    if (plans === MOST_PLANS) return `a batch of ${low.batch} fits`
    const part = (limit - low.bytes) / Math.max(1, high.bytes - low.bytes)
    // A little to both sides of the line in turns, so that it is enclosed.
    const aside = plans % 2 === 0 ? 1 : 0
    const guess = low.batch + Math.floor(part * (high.batch - low.batch)) + aside
    const batch = Math.min(high.batch - 1, Math.max(low.batch + 1, guess))
    const tried = { batch, bytes: bytesOf(batch) }
    if (tried.bytes <= limit) low = tried
    else high = tried
  }
  return `the largest batch that fits is ${low.batch}`
}
