/**
 * Inputs that are neurons: each is appended to the list of its pattern, its spikes in a group of 4
 * steps (plain entries: see lists.ts).
 */

import { SpikeRecord } from '../generated/records'
import { Spike } from '../opcodes'

/** The steps that exist in a group, as a pattern: 15, or fewer bits at the end of T. */
// @ts-ignore: decorator
@inline
export function stepsOf(rec: SpikeRecord): i32 {
  const left = rec.steps - Spike.GroupSteps * rec.group
  return (1 << min(Spike.GroupSteps, left)) - 1
}

/** Bit i is set when byte i has a bit in common with `firing`. */
// @ts-ignore: decorator
@inline
function active16(masks: usize, firing: v128): u64 {
  return <u64>(<u32>i8x16.bitmask(i8x16.ne(v128.and(v128.load(masks), firing), i8x16.splat(0))))
}

/**
 * Bit i is set when neuron i of the next `count` (at most 64) has a spike in the group. Reads
 * whole 16 bytes.
 */
// @ts-ignore: decorator
@inline
function active64(masks: usize, firing: v128, count: i32): u64 {
  let active = active16(masks, firing)
  if (count > 16) active |= active16(masks + 16, firing) << 16
  if (count > 32) active |= active16(masks + 32, firing) << 32
  if (count > 48) active |= active16(masks + 48, firing) << 48
  return count < 64 ? active & (((<u64>1) << count) - 1) : active
}

/** Appends one entry to the list of a pattern. */
// @ts-ignore: decorator
@inline
function append(ends: usize, pattern: u32, entry: i32): void {
  const slot = ends + ((<usize>pattern) << 2)
  const end = load<u32>(slot)
  store<u16>(<usize>end, entry)
  store<u32>(slot, end + 2)
}

/**
 * Appends first + c to the list of the pattern of neuron c, for c = 0 … count − 1. The pattern is
 * (mask >> shift) & steps; pattern 0 is in no list. masks u8 [count]; ends u32 [16]: where the
 * list of each pattern ends, moved on.
 */
export function appendPatterns(
  ends: usize,
  masks: usize,
  count: i32,
  shift: i32,
  steps: i32,
  first: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  for (; count > 0; count -= 64) {
    let active = active64(masks, firing, count)
    while (active != 0) {
      const i = <i32>ctz(active)
      active &= active - 1
      append(ends, (load<u8>(masks + <usize>i) >> shift) & steps, first + i)
    }
    masks += 64
    first += 64
  }
}

/**
 * The same for 7 lists: list 15 for pattern 15, otherwise one list for the part of the pattern in
 * steps 0–1 and one for that in steps 2–3. An empty part is written where ends[0] points, and not
 * used.
 */
export function appendPairs(
  ends: usize,
  masks: usize,
  count: i32,
  shift: i32,
  steps: i32,
  first: i32,
): void {
  const firing = i8x16.splat(<i8>(steps << shift))
  const waste = load<u32>(ends)
  for (; count > 0; count -= 64) {
    let active = active64(masks, firing, count)
    while (active != 0) {
      const i = <i32>ctz(active)
      active &= active - 1
      const pattern: u32 = (load<u8>(masks + <usize>i) >> shift) & steps
      const whole = pattern == 15
      append(ends, select<u32>(15, pattern & 3, whole), first + i)
      append(ends, select<u32>(0, pattern & 12, whole), first + i)
      store<u32>(ends, waste)
    }
    masks += 64
    first += 64
  }
}
