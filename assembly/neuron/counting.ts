/** What evaluation counts of neurons. */

import { ActivityCount, Control } from '../opcodes'

/**
 * The `ActivityCount` of a unit, if it is counted in this run; else 0. counts: of the first unit,
 * or 0. wanted: address of a u32.
 */
export function activityOf(counts: usize, wanted: usize, unit: i32): usize {
  if (!counts || !load<u32>(wanted)) return 0
  return counts + <usize>unit * ActivityCount.Bytes
}

/** The pixel behind the last of first … end − 1 that is of a valid image. */
export function validEnd(first: u32, end: u32, pixelsPerImage: u32): u32 {
  const images = max(0, load<i32>(Control.Valid) - load<i32>(Control.FirstImage))
  return max(first, min(end, <u32>images * pixelsPerImage))
}

/** Adds to the `ActivityCount` of a unit. */
export function addActivity(activity: usize, changes: u32, spikes: u32): void {
  store<u64>(
    activity + ActivityCount.Changes,
    load<u64>(activity + ActivityCount.Changes) + <u64>changes,
  )
  store<u64>(
    activity + ActivityCount.Spikes,
    load<u64>(activity + ActivityCount.Spikes) + <u64>spikes,
  )
}
