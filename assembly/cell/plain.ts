/** Cells whose only state is a potential, when only spikes are wanted. */

import { packBytes, sumLanes, widenBytes } from '../base/lanes'
import { addActivity, realLanes } from '../neuron/counting'
import { CellRow, CellWord } from '../opcodes'
import { constant, constantsOf } from './rows'

// @ts-ignore: decorator
@inline
function plainBody(
  rec: usize,
  pixel: u32,
  state: usize,
  fresh: bool,
  counted: bool,
  activity: usize,
): u32 {
  const channels = <usize>load<u32>(rec, CellWord.C * 4)
  const rowBytes = channels << 2
  const constants = constantsOf(rec, pixel)
  const input =
    <usize>load<u32>(rec, CellWord.In * 4) +
    <usize>pixel * load<u32>(rec, CellWord.InPixelBytes * 4)
  const stepBytes = <usize>load<u32>(rec, CellWord.InStepBytes * 4)
  const planeBytes = <usize>load<u32>(rec, CellWord.PlaneBytes * 4)
  const row = <usize>pixel * channels
  const above = load<u32>(rec, CellWord.Above * 4) != 0
  const hard = load<u32>(rec, CellWord.HardReset * 4) != 0
  const countsOf = <usize>load<u32>(rec, CellWord.Counts * 4)
  const real = load<i32>(rec, CellWord.RealC * 4)
  let total = i32x4.splat(0)
  let changes = i32x4.splat(0)
  for (let c: usize = 0; c < rowBytes; c += 16) {
    const lambda = constant(constants, CellRow.Leak, rowBytes, c)
    const kappa = constant(constants, CellRow.Gain, rowBytes, c)
    const drift = constant(constants, CellRow.Drift, rowBytes, c)
    const theta = constant(constants, CellRow.Threshold, rowBytes, c)
    const start = constant(constants, CellRow.Reset, rowBytes, c)
    let v = fresh ? start : v128.load(state + c)
    // Nothing equals NaN, so that the first step is a change.
    let before = fresh ? i32x4.splat(-1) : v
    let changed = i32x4.splat(0)
    let x = input + c
    let masks = <usize>load<u32>(rec, CellWord.Masks * 4) + row + (c >> 2)
    let count = i32x4.splat(0)
    let left = load<u32>(rec, CellWord.T * 4)
    do {
      let n = min<u32>(left, 8)
      left -= n
      let mask = i32x4.splat(0)
      let bit = i32x4.splat(1)
      do {
        const u = f32x4.add(f32x4.add(f32x4.mul(lambda, v), drift), f32x4.mul(kappa, v128.load(x)))
        x += stepBytes
        const fired = above ? f32x4.gt(u, theta) : f32x4.ge(u, theta)
        mask = v128.or(mask, v128.and(fired, bit))
        bit = i32x4.shl(bit, 1)
        count = i32x4.sub(count, fired)
        v = hard ? v128.bitselect(start, u, fired) : f32x4.sub(u, v128.and(fired, theta))
        if (counted) {
          changed = i32x4.sub(changed, f32x4.ne(v, before))
          before = v
        }
      } while (--n)
      v128.store32_lane(masks, packBytes(mask), 0)
      masks += planeBytes
    } while (left)
    if (state) v128.store(state + c, v)
    total = i32x4.add(total, count)
    if (counted)
      changes = i32x4.add(changes, v128.and(changed, realLanes(real, <i32>(c >> 2))))
    if (countsOf) {
      const counts = countsOf + row + (c >> 2)
      if (!fresh) count = i32x4.add(count, widenBytes(counts))
      v128.store32_lane(counts, packBytes(count), 0)
    }
  }
  if (counted) addActivity(activity, sumLanes(changes), sumLanes(total))
  return sumLanes(total)
}

/**
 * One pixel over all steps of a call. The potential is read from state and written to it where
 * there is one, and begins anew with `fresh`. Counts are written, += without `fresh`. Returns the
 * spikes.
 */
export function cellPlain(rec: usize, pixel: u32, state: usize, fresh: bool): u32 {
  return plainBody(rec, pixel, state, fresh, false, 0)
}

/** `cellPlain`, which adds changes and spikes to an `ActivityCount`. */
export function countedCellPlain(
  rec: usize,
  pixel: u32,
  state: usize,
  fresh: bool,
  activity: usize,
): u32 {
  return plainBody(rec, pixel, state, fresh, true, activity)
}
