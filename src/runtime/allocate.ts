/** Memory for a plan, or a message that says what would fit. */

import { SpikewasmError } from '../errors.js'
import { makePlan, type Plan, type PlanOptions } from '../plan/plan.js'
import { lend } from './memories.js'

const MAX_BYTES = 2 ** 32

/** What decides, beside the plan, which memory a model needs. */
export interface AllocateSettings {
  readonly threads: number
  readonly engine: string
}

/** All of it is zero. `giveBack` takes it when it is done. */
export async function allocate(
  plan: Plan,
  settings: AllocateSettings,
): Promise<WebAssembly.Memory> {
  const { total } = plan.memory
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(2)} GiB`
  const shared = settings.threads > 1 || settings.engine === 'debug'
  const refuse = (why: string, limit: number): never => {
    const largest = largestBatch(plan.options, limit, settings.threads)
    const [name, bytes] = plan.buffers.reduce<[string, number]>(
      (best, b) => (b.bytes > best[1] ? [b.name, b.bytes] : best),
      ['', 0],
    )
    throw new SpikewasmError(
      `the model needs ${gib(total)} of memory for batchSize ${plan.options.batchSize} ` +
        `(its largest buffer, ${name}: ${gib(bytes)}), ${why}; ` +
        (largest > 0
          ? `the largest batch that fits is ${largest}`
          : 'not even a batch of 1 fits: make the network or the input smaller'),
    )
  }
  if (total > MAX_BYTES) return refuse('WebAssembly addresses at most 4 GiB', MAX_BYTES)
  try {
    return await lend(total, shared)
  } catch {
    return refuse('more than this machine gives', total * 0.75)
  }
}

/** Largest batch whose plan stays within a limit; 0 when none does. */
function largestBatch(options: PlanOptions, limit: number, threads: number): number {
  let [low, high] = [0, options.batchSize]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (makePlan({ ...options, batchSize: middle }, threads).memory.total <= limit) low = middle
    else high = middle
  }
  return low
}
