/**
 * Chooses between two kernels by the number of spikes of this very call, or of all calls so far
 * where they add up. The number is an exact integer, so the choice is the same for any number of
 * workers.
 */

import { ChooseWord, SpikeSumWord } from '../opcodes'

/**
 * Out[0], Out[1] = 1, 0 when the sources together have at most Limit spikes, else 0, 1. With
 * CallSteps there may be Limit for each call so far. One unit. Scratch: none.
 */
export function choose(rec: usize, unit: i32, t: i32, scratch: usize): void {
  let source = <usize>load<u32>(rec, ChooseWord.Sources * 4)
  let spikes: u64 = 0
  for (let i = load<i32>(rec, ChooseWord.SourceCount * 4); i > 0; i--) {
    const partials = <usize>load<u32>(source, SpikeSumWord.Sums * 4)
    const units = <usize>load<u32>(source, SpikeSumWord.Units * 4)
    for (let j: usize = 0; j < units; j++) spikes += <u64>load<u32>(partials + (j << 2))
    source += SpikeSumWord.Bytes
  }
  let limit = <u64>load<u32>(rec, ChooseWord.Limit * 4)
  const callSteps = load<u32>(rec, ChooseWord.CallSteps * 4)
  if (callSteps) {
    spikes *= <u64>callSteps
    limit *= <u64>(<u32>t + callSteps)
  }
  const few: u32 = spikes <= limit ? 1 : 0
  const out = <usize>load<u32>(rec, ChooseWord.Out * 4)
  store<u32>(out, few)
  store<u32>(out, few ^ 1, 4)
}
