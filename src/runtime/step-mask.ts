/** Which time steps a run backpropagates. */

import { Purpose, RandomStream } from '../random.js'
import type { Arena } from './arena.js'

/** Bit t for step t. SLTT-K: K random steps of T; otherwise all. `steps`: those of the model. */
export function stepMask(
  { plan }: Arena,
  { timeSteps, seed, steps }: Record<'timeSteps' | 'seed' | 'steps', number>,
): number {
  const { backwardSteps } = plan.options
  const all = timeSteps >= 32 ? 0xffffffff : 2 ** timeSteps - 1
  if (backwardSteps === timeSteps) return all
  const stream = new RandomStream(Purpose.Steps)
  stream.start(seed, 0, steps)
  const order = Array.from({ length: timeSteps }, (_, t) => t)
  let mask = 0
  for (let k = 0; k < backwardSteps; k++)
    mask |= 1 << (order.splice(stream.below(order.length), 1)[0] as number)
  return mask >>> 0
}
