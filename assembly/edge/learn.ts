/**
 * Training in exported networks: what the runtime does before a step of a model. The random numbers
 * are those of src/base/random.ts, bit for bit.
 */

import { Control } from '../opcodes'

/** Whether `count` labels, i32, are all from 0 to classes − 1. */
export function edgeLabels(labels: usize, count: i32, classes: u32): bool {
  for (let i = 0; i < count; i++) if (load<u32>(labels + ((<usize>i) << 2)) >= classes) return false
  return true
}

/** There will be no step: Control.Loss is not a number, and nothing is correct. */
export function edgeRefuse(): void {
  store<f32>(Control.Loss, NaN)
  store<i32>(Control.Correct, 0)
}

/** Control.Seed of step number `step`: of dropout. */
export function edgeSeed(seed: u32, step: u32): void {
  store<u32>(Control.Seed, <u32>threefry(seed, step, 3 << 24))
}

/** Control.StepMask of step number `step`: `count` of `total` time steps by chance. */
export function edgeStepMask(seed: u32, step: u32, total: i32, count: i32): void {
  let left: u32 = total >= 32 ? 0xffffffff : (1 << total) - 1
  let mask: u32 = 0
  let words: u64 = 0
  for (let k = 0; k < count; k++) {
    words = k & 1 ? words >> 32 : threefry(seed, step, (4 << 24) + (k >> 1))
    const uniform = <f64>(<u32>words) / 4294967296.0
    const bit = place(left, <i32>(uniform * <f64>(total - k)))
    mask |= bit
    left ^= bit
  }
  store<u32>(Control.StepMask, mask)
}

/** The set bit with so many set bits below it. */
function place(bits: u32, below: i32): u32 {
  for (; below > 0; below--) bits &= bits - 1
  return bits & -bits
}

/** Threefry-2x32 with 20 rounds, key (seed, 0), counter (index, counter): first word lowest. */
export function threefry(seed: u32, index: u32, counter: u32): u64 {
  const key2: u32 = 0x1bd11bda ^ seed
  let x = index + seed
  let y = counter
  for (let group: u32 = 0; group < 5; group++) {
    // Four rotations a group, a byte each, the first one lowest.
    let rotations: u32 = group & 1 ? 0x18101d11 : 0x061a0f0d
    for (let round = 0; round < 4; round++) {
      x += y
      y = rotl(y, rotations & 255) ^ x
      rotations >>= 8
    }
    // Keys in turn: (0, 2), (2, seed), (seed, 0) and again, key 1 being 0.
    const turn = group % 3
    x += turn == 0 ? 0 : turn == 1 ? key2 : seed
    y += (turn == 0 ? key2 : turn == 1 ? seed : 0) + group + 1
  }
  return ((<u64>y) << 32) | <u64>x
}
