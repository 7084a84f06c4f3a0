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
  for (; taps < end; taps += 8) {
    const bits = (load<u8>(masks + <usize>load<u32>(taps)) >> <u8>shift) & 15
    store<u32>(list, <u32>(patterns + ((<usize>bits) << 6)))
    store<u32>(list, load<u32>(taps, 4), 4)
    list += (<usize>(bits != 0)) << 3
  }
  return list
}

/** out[step][8] = bias + Σ over the list of the weights whose inputs fire at the step. */
export function spikeTile8(
  out: usize,
  ldo: usize,
  list: usize,
  end: usize,
  w: usize,
  bias: usize,
  steps: i32,
): void {
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  let b0 = a0
  let b1 = a1
  let c0 = a0
  let c1 = a1
  let d0 = a0
  let d1 = a1
  for (; list < end; list += 8) {
    const p = <usize>load<u32>(list)
    const k = w + <usize>load<u32>(list, 4)
    const w0 = v128.load(k)
    const w1 = v128.load(k, 16)
    const pa = v128.load(p)
    a0 = f32x4.add(a0, v128.and(pa, w0))
    a1 = f32x4.add(a1, v128.and(pa, w1))
    const pb = v128.load(p, 16)
    b0 = f32x4.add(b0, v128.and(pb, w0))
    b1 = f32x4.add(b1, v128.and(pb, w1))
    const pc = v128.load(p, 32)
    c0 = f32x4.add(c0, v128.and(pc, w0))
    c1 = f32x4.add(c1, v128.and(pc, w1))
    const pd = v128.load(p, 48)
    d0 = f32x4.add(d0, v128.and(pd, w0))
    d1 = f32x4.add(d1, v128.and(pd, w1))
  }
  storeSteps(out, ldo, a0, b0, c0, d0, steps)
  storeSteps(out + 16, ldo, a1, b1, c1, d1, steps)
}

/** The same for 4 columns. */
export function spikeRow4(
  out: usize,
  ldo: usize,
  list: usize,
  end: usize,
  w: usize,
  bias: usize,
  steps: i32,
): void {
  let a = v128.load(bias)
  let b = a
  let c = a
  let d = a
  for (; list < end; list += 8) {
    const p = <usize>load<u32>(list)
    const k = v128.load(w + <usize>load<u32>(list, 4))
    a = f32x4.add(a, v128.and(v128.load(p), k))
    b = f32x4.add(b, v128.and(v128.load(p, 16), k))
    c = f32x4.add(c, v128.and(v128.load(p, 32), k))
    d = f32x4.add(d, v128.and(v128.load(p, 48), k))
  }
  storeSteps(out, ldo, a, b, c, d, steps)
}

/** w where bit `bit` of the lanes is set, else 0. */
// @ts-ignore: decorator
@inline
function fired(lanes: v128, bit: i32, w: v128): v128 {
  return v128.and(i32x4.shr_s(i32x4.shl(lanes, 31 - bit), 31), w)
}

/**
 * out[step][8] = bias + Σ over taps of the weights of the channels that fire at the step: bit
 * `shift` + step of their masks.
 */
export function depthSpikes8(
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
  let a0 = v128.load(bias)
  let a1 = v128.load(bias, 16)
  let b0 = a0
  let b1 = a1
  let c0 = a0
  let c1 = a1
  let d0 = a0
  let d1 = a1
  for (; taps < end; taps += 8) {
    const bytes = i8x16.shr_u(v128.load64_zero(masks + <usize>load<u32>(taps)), shift)
    const halves = i16x8.extend_low_i8x16_u(bytes)
    const k = w + <usize>load<u32>(taps, 4)
    const m0 = i32x4.extend_low_i16x8_u(halves)
    const w0 = v128.load(k)
    a0 = f32x4.add(a0, fired(m0, 0, w0))
    b0 = f32x4.add(b0, fired(m0, 1, w0))
    c0 = f32x4.add(c0, fired(m0, 2, w0))
    d0 = f32x4.add(d0, fired(m0, 3, w0))
    const m1 = i32x4.extend_high_i16x8_u(halves)
    const w1 = v128.load(k, 16)
    a1 = f32x4.add(a1, fired(m1, 0, w1))
    b1 = f32x4.add(b1, fired(m1, 1, w1))
    c1 = f32x4.add(c1, fired(m1, 2, w1))
    d1 = f32x4.add(d1, fired(m1, 3, w1))
  }
  storeSteps(out, ldo, a0, b0, c0, d0, steps)
  storeSteps(out + 16, ldo, a1, b1, c1, d1, steps)
}

/** The same for 4 channels. */
export function depthSpikes4(
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
  let a = v128.load(bias)
  let b = a
  let c = a
  let d = a
  for (; taps < end; taps += 8) {
    const bytes = i8x16.shr_u(v128.load32_zero(masks + <usize>load<u32>(taps)), shift)
    const m = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes))
    const k = v128.load(w + <usize>load<u32>(taps, 4))
    a = f32x4.add(a, fired(m, 0, k))
    b = f32x4.add(b, fired(m, 1, k))
    c = f32x4.add(c, fired(m, 2, k))
    d = f32x4.add(d, fired(m, 3, k))
  }
  storeSteps(out, ldo, a, b, c, d, steps)
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
