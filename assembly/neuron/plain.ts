/**
 * The usual layer when only spikes are wanted: soft detached reset, κ = 1, v0 = 0. The terms have
 * affine maps and are summed in the loop itself.
 */

import { packBytes, sumLanes, widenBytes } from '../base/lanes'
import { NeuronWord } from '../opcodes'
import { addActivity, realLanes } from './counting'

/**
 * Runs pixels first … end − 1 and returns their spikes. Masks and counts are written; where there
 * is an `ActivityCount`, these add to it.
 */
export function runPlain(rec: usize, first: u32, end: u32, lambda: f32, activity: usize): u32 {
  if (activity) {
    if (load<u32>(rec, NeuronWord.B * 4)) return countedPlainB(rec, first, end, lambda, activity)
    return load<u32>(rec, NeuronWord.S * 4)
      ? countedPlainS(rec, first, end, lambda, activity)
      : countedPlain(rec, first, end, lambda, activity)
  }
  if (load<u32>(rec, NeuronWord.B * 4)) return neuronPlainB(rec, first, end, lambda)
  return load<u32>(rec, NeuronWord.S * 4)
    ? neuronPlainS(rec, first, end, lambda)
    : neuronPlain(rec, first, end, lambda)
}

// @ts-ignore: decorator
@inline
function plainBody(
  rec: usize,
  first: u32,
  end: u32,
  lambdaValue: f32,
  hasB: bool,
  hasS: bool,
  counted: bool,
  activity: usize,
): u32 {
  const channels = <usize>load<u32>(rec, NeuronWord.C * 4)
  const steps = load<u32>(rec, NeuronWord.T * 4)
  const lambda = f32x4.splat(lambdaValue)
  const theta = f32x4.splat(load<f32>(rec, NeuronWord.Threshold * 4))
  const spikeScale = f32x4.splat(load<f32>(rec, NeuronWord.SScale * 4))
  const aStep = <usize>load<u32>(rec, NeuronWord.AStepBytes * 4)
  const bStep = <usize>load<u32>(rec, NeuronWord.BStepBytes * 4)
  const planeBytes = <usize>load<u32>(rec, NeuronWord.PlaneBytes * 4)
  const sPlaneBytes = <usize>load<u32>(rec, NeuronWord.SPlaneBytes * 4)
  const counts = <usize>load<u32>(rec, NeuronWord.Counts * 4)
  let total = i32x4.splat(0)
  let changes = i32x4.splat(0)
  const real = <usize>load<u32>(rec, NeuronWord.RealC * 4)
  for (let pixel = first; pixel < end; pixel++) {
    const row = <usize>pixel * channels
    for (let c: usize = 0; c < channels; c += 4) {
      const bytes = c << 2
      const aScale = v128.load(<usize>load<u32>(rec, NeuronWord.AScale * 4) + bytes)
      let shift = v128.load(<usize>load<u32>(rec, NeuronWord.AShift * 4) + bytes)
      let a =
        <usize>load<u32>(rec, NeuronWord.A * 4) +
        <usize>pixel * load<u32>(rec, NeuronWord.APixelBytes * 4) +
        bytes
      let b: usize = 0
      let bScale = f32x4.splat(0)
      if (hasB) {
        bScale = v128.load(<usize>load<u32>(rec, NeuronWord.BScale * 4) + bytes)
        shift = f32x4.add(shift, v128.load(<usize>load<u32>(rec, NeuronWord.BShift * 4) + bytes))
        b =
          <usize>load<u32>(rec, NeuronWord.B * 4) +
          <usize>pixel * load<u32>(rec, NeuronWord.BPixelBytes * 4) +
          bytes
      }
      let source = hasS ? <usize>load<u32>(rec, NeuronWord.S * 4) + row + c : 0
      let masks = <usize>load<u32>(rec, NeuronWord.Masks * 4) + row + c
      let v = f32x4.splat(0)
      let changed = i32x4.splat(0)
      // Nothing equals NaN, so that the first step is a change.
      let before = i32x4.splat(-1)
      let count = i32x4.splat(0)
      let left = steps
      do {
        let n = min<u32>(left, 8)
        left -= n
        let mask = i32x4.splat(0)
        let bit = i32x4.splat(1)
        let arriving = i32x4.splat(0)
        if (hasS) arriving = widenBytes(source)
        do {
          const xA = v128.load(a)
          a += aStep
          let current = f32x4.add(f32x4.mul(xA, aScale), shift)
          if (hasB) {
            const xB = v128.load(b)
            b += bStep
            current = f32x4.add(current, f32x4.mul(xB, bScale))
          }
          if (hasS)
            current = f32x4.add(
              current,
              v128.and(i32x4.eq(v128.and(arriving, bit), bit), spikeScale),
            )
          const u = f32x4.add(f32x4.mul(lambda, v), current)
          const fired = f32x4.ge(u, theta)
          mask = v128.or(mask, v128.and(fired, bit))
          bit = i32x4.shl(bit, 1)
          count = i32x4.sub(count, fired)
          v = f32x4.sub(u, v128.and(fired, theta))
          if (counted) {
            changed = i32x4.sub(changed, f32x4.ne(v, before))
            before = v
          }
        } while (--n)
        v128.store32_lane(masks, packBytes(mask), 0)
        masks += planeBytes
        if (hasS) source += sPlaneBytes
      } while (left)
      if (counted) {
        if (c + 4 > real) changed = v128.and(changed, realLanes(<i32>real, <i32>c))
        changes = i32x4.add(changes, changed)
      }
      if (counts) v128.store32_lane(counts + row + c, packBytes(count), 0)
      total = i32x4.add(total, count)
    }
  }
  if (counted) addActivity(activity, sumLanes(changes), sumLanes(total))
  return sumLanes(total)
}

/** Neurons on term A; returns their spikes. */
export function neuronPlain(rec: usize, first: u32, end: u32, lambda: f32): u32 {
  return plainBody(rec, first, end, lambda, false, false, false, 0)
}

/** Neurons on terms A and B; returns their spikes. */
export function neuronPlainB(rec: usize, first: u32, end: u32, lambda: f32): u32 {
  return plainBody(rec, first, end, lambda, true, false, false, 0)
}

/** Neurons on term A and the spikes S; returns their spikes. */
export function neuronPlainS(rec: usize, first: u32, end: u32, lambda: f32): u32 {
  return plainBody(rec, first, end, lambda, false, true, false, 0)
}

/** `neuronPlain`, which also counts. */
export function countedPlain(rec: usize, first: u32, end: u32, lambda: f32, activity: usize): u32 {
  return plainBody(rec, first, end, lambda, false, false, true, activity)
}

/** `neuronPlainB`, which also counts. */
export function countedPlainB(rec: usize, first: u32, end: u32, lambda: f32, activity: usize): u32 {
  return plainBody(rec, first, end, lambda, true, false, true, activity)
}

/** `neuronPlainS`, which also counts. */
export function countedPlainS(rec: usize, first: u32, end: u32, lambda: f32, activity: usize): u32 {
  return plainBody(rec, first, end, lambda, false, true, true, activity)
}
