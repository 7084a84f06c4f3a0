/** Leaves of the grouped convolutions on spikes: four steps of one pixel. */

/**
 * The entries of a table whose input fires in four steps: list[…] = address of the steps' pattern,
 * offset of the weight. The patterns of 64 bytes each stand at `patterns`. Returns the list's end.
 */
export function listActive(
  list: usize,
  masks: usize,
  taps: usize,
  end: usize,
  shift: i32,
  patterns: usize,
): usize {
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
    const bits = (load<u8>(masks + <usize>load<u32>(taps)) >> <u8>shift) & 15
    store<u32>(list, <u32>(patterns + ((<usize>bits) << 6)))
    store<u32>(list, load<u32>(taps, 4), 4)
    list += (<usize>(bits != 0)) << 3
  }
  return list
}

/** out[step][N] = bias + Σ over the list of the weights whose inputs fire at the step. */
// @ts-ignore: decorator
@variants('spikeTile', [8, 4])
export function spikeTile(
  N: i32,
  out: usize,
  ldo: usize,
  list: usize,
  end: usize,
  w: usize,
  bias: usize,
  steps: i32,
): void {
  const n: unroll = N / 4
  const s = locals<v128>(4 * n)
  const weight = locals<v128>(n)
  for (let j: unroll = 0; j < n; j++) s[j] = v128.load(bias, 16 * j)
  for (let i: unroll = n; i < 4 * n; i++) s[i] = s[i - n]
  list -= 8
  const last = end - 8
  while (list != last) {
    list += 8
    const p = <usize>load<u32>(list)
    const k = w + <usize>load<u32>(list, 4)
    for (let j: unroll = 0; j < n; j++) weight[j] = v128.load(k, 16 * j)
    for (let step: unroll = 0; step < 4; step++) {
      const pattern = v128.load(p, 16 * step)
      for (let j: unroll = 0; j < n; j++)
        s[step * n + j] = f32x4.add(s[step * n + j], v128.and(pattern, weight[j]))
    }
  }
  for (let j: unroll = 0; j < n; j++)
    storeSteps(out + 16 * j, ldo, s[j], s[n + j], s[2 * n + j], s[3 * n + j], steps)
}

/** w where bit `bit` of the lanes is set, else 0. */
// @ts-ignore: decorator
@inline
function fired(lanes: v128, bit: i32, w: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(lanes, 31 - bit), 31), w)
}

/**
 * out[step][N] = bias + Σ over taps of the weights of the channels that fire at the step: bit
 * `shift` + step of their masks.
 */
// @ts-ignore: decorator
@variants('depthSpikes', [8, 4])
export function depthSpikes(
  N: i32,
  out: usize,
  ldo: usize,
  masks: usize,
  taps: usize,
  end: usize,
  w: usize,
  bias: usize,
  shift: i32,
  steps: i32,
): void {
  const n: unroll = N / 4
  const s = locals<v128>(4 * n)
  for (let j: unroll = 0; j < n; j++) s[j] = v128.load(bias, 16 * j)
  for (let i: unroll = n; i < 4 * n; i++) s[i] = s[i - n]
  taps -= 8
  const last = end - 8
  while (taps != last) {
    taps += 8
    const at = masks + <usize>load<u32>(taps)
    const bytes = i8x16.shr_u(N == 8 ? v128.load64_zero(at) : v128.load32_zero(at), shift)
    const halves = i16x8.extend_low_i8x16_u(bytes)
    const k = w + <usize>load<u32>(taps, 4)
    for (let j: unroll = 0; j < n; j++) {
      const lanes = j == 0 ? i32x4.extend_low_i16x8_u(halves) : i32x4.extend_high_i16x8_u(halves)
      const weight = v128.load(k, 16 * j)
      for (let step: unroll = 0; step < 4; step++)
        s[step * n + j] = f32x4.add(s[step * n + j], fired(lanes, step, weight))
    }
  }
  for (let j: unroll = 0; j < n; j++)
    storeSteps(out + 16 * j, ldo, s[j], s[n + j], s[2 * n + j], s[3 * n + j], steps)
}

/** The first `steps` of four rows. */
// @ts-ignore: decorator
@inline
function storeSteps(out: usize, ldo: usize, a: v128, b: v128, c: v128, d: v128, steps: i32): void {
  v128.store(out, a)
  if (steps > 1) v128.store(out + ldo, b)
  if (steps > 2) v128.store(out + 2 * ldo, c)
  if (steps > 3) v128.store(out + 3 * ldo, d)
}
