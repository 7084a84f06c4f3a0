/**
 * Counter-based random numbers: the value at (seed, stream, index) depends on these three alone, so
 * any worker may compute any of them. Source: the finaliser of SplitMix64 (Steele, Lea, Flood,
 * OOPSLA 2014) over a counter.
 */

/** 64 random bits at a counter. */
export function random64(seed: u32, stream: u32, index: u64): u64 {
  let z: u64 =
    (((<u64>seed) << 32) | <u64>stream) * 0x9e3779b97f4a7c15 + (index + 1) * 0xd1342543de82ef95
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb
  z ^= z >> 31
  // A second round separates streams whose counters run in step.
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb
  return z ^ (z >> 31)
}
