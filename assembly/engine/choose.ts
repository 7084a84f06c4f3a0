/**
 * Chooses between two kernels by the number of spikes of this very call, or of all calls so far
 * where they add up. The number is an exact integer, so the choice is the same for any number of
 * workers.
 */

import { ChooseRecord, SpikeSum } from '../generated/records'

/**
 * Out[0], Out[1] = 1, 0 when the sources together have at most Limit spikes, else 0, 1. With
 * callSteps there may be Limit for each call so far. One unit. Scratch: none.
 */
export function choose(rec: ChooseRecord, unit: i32, t: i32, scratch: usize): void {
  let source = rec.sources
  let spikes: u64 = 0
  for (let i = rec.sourceCount; i > 0; i--) {
    const partials = changetype<SpikeSum>(source).sums
    const units = changetype<SpikeSum>(source).units
    for (let j: usize = 0; j < units; j++) spikes += <u64>load<u32>(partials + (j << 2))
    source += offsetof<SpikeSum>()
  }
  let limit = <u64>(<u32>rec.limit)
  const callSteps = <u32>rec.callSteps
  if (callSteps) {
    spikes *= <u64>callSteps
    limit *= <u64>(<u32>t + callSteps)
  }
  const few: u32 = spikes <= limit ? 1 : 0
  const out = rec.out
  store<u32>(out, few)
  store<u32>(out, few ^ 1, 4)
}
