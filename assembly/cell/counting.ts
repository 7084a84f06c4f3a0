/** What evaluation counts of cells. */

import { realLanes } from '../neuron/counting'

/** How many of `real` potentials [C] are not what they were before. */
export function cellChanges(now: usize, before: usize, rowBytes: usize, real: i32): u32 {
  let changes: u32 = 0
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const changed = f32x4.ne(v128.load(now + c), v128.load(before + c))
    changes += popcnt(i32x4.bitmask(v128.and(changed, realLanes(real, <i32>(c >> 2)))))
  }
  return changes
}

/** u32 counts [C] += spikes [C], each 0 or 1. */
export function cellArrivals(counts: usize, spikes: usize, rowBytes: usize): void {
  for (let c: usize = 0; c < rowBytes; c += 16)
    v128.store(
      counts + c,
      i32x4.add(v128.load(counts + c), i32x4.trunc_sat_f32x4_s(v128.load(spikes + c))),
    )
}
